import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/** Runs one Elasticsearch node until it is told to end. Arguments: its settings, each as name=value. */
public final class EsNode {
    private static final long CLOSE_SECONDS = 15;

    private final Node node;

    private EsNode(Settings settings) {
        Path config = Path.of(settings.get("path.home")).resolve("config");
        Environment place = InternalSettingsPreparer.prepareEnvironment(
            settings, Map.of(), config, () -> settings.get("node.name"));
        var modules = PluginsLoader.loadModulesBundles(place.modulesDir());
        var plugins = PluginsLoader.loadPluginsBundles(place.pluginsDir());
        node = new Node(place, PluginsLoader.createPluginsLoader(modules, plugins, Map.of()));
    }

    private static Settings parse(String[] arguments) {
        Settings.Builder settings = Settings.builder();
        for (String argument : arguments) {
            int equals = argument.indexOf('=');
            settings.put(argument.substring(0, equals), argument.substring(equals + 1));
        }
        return settings.build();
    }

    private void close() {
        try {
            node.close();
            node.awaitClose(CLOSE_SECONDS, TimeUnit.SECONDS);
        } catch (Exception failure) {
            failure.printStackTrace();
        }
    }

    public static void main(String[] arguments) throws Exception {
        LogConfigurator.configureESLogging();
        EsNode running = new EsNode(parse(arguments));
        Runtime.getRuntime().addShutdownHook(new Thread(running::close));
        running.node.start();
        new CountDownLatch(1).await();
    }
}
