import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;

/**
 * One OpenSearch node for tests: {@code Cluster FOLDER KEY=VALUE ...}.
 *
 * <p>Prints its addresses when it is started, and ends with its standard input, after which it
 * deletes its folder: the tests that started it may be killed.
 */
public final class Cluster {
    private static final class PluginNode extends Node {
        PluginNode(Environment environment) {
            super(environment, List.of(org.opensearch.transport.Netty4Plugin.class), true);
        }
    }

    public static void main(String[] arguments) throws Exception {
        Settings.Builder settings = Settings.builder()
            .put("path.home", arguments[0])
            .put("path.data", Path.of(arguments[0], "data").toString())
            .put("transport.type", "netty4")
            .put("http.type", "netty4")
            .put("network.host", "127.0.0.1")
            .put("http.port", "0")
            .put("transport.port", "0")
            .put("node.processors", "2")
            // The disk of a developer is fuller than that of a cluster should be.
            .put("cluster.routing.allocation.disk.threshold_enabled", false);
        for (int at = 1; at < arguments.length; at++) {
            String[] pair = arguments[at].split("=", 2);
            settings.put(pair[0], pair[1]);
        }
        Node node = new PluginNode(InternalSettingsPreparer.prepareEnvironment(
            settings.build(), Map.of(), null, () -> "node"));
        node.start();
        String http = node.injector().getInstance(org.opensearch.http.HttpServerTransport.class)
            .boundAddress().publishAddress().toString();
        String transport = node.injector().getInstance(org.opensearch.transport.TransportService.class)
            .boundAddress().publishAddress().toString();
        System.out.println("transport " + transport);
        System.out.println("http " + http);
        while (System.in.read() >= 0) { }
        node.close();
        try (Stream<Path> files = Files.walk(Path.of(arguments[0]))) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(file);
            }
        } catch (IOException gone) {
            // The tests have deleted it.
        }
        Runtime.getRuntime().halt(0);
    }
}
