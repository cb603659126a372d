// Says when the page can no longer follow what happens: the data on it are then old.
document.addEventListener("htmx:sendError", () => { document.getElementById("offline").hidden = false; });
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.xhr && event.detail.xhr.status) { document.getElementById("offline").hidden = true; }
});
