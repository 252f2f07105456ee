package com.samegate.client;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;

/** A gateway of its own process, with an embedded library and keys, in a temporary folder. */
final class Gateway implements AutoCloseable {
    static final long LIMIT_S = 60;

    final Path folder;
    final String address = "127.0.0.1:" + freePort();
    private final String admin = "127.0.0.1:" + freePort();
    private final String rest = "127.0.0.1:" + freePort();
    private Process process;

    private Gateway(String settings, String quota) throws IOException {
        folder = Files.createTempDirectory("samegate-java-");
        String text =
                """
                %s
                [libraries.default]
                backend = "embedded"
                data_dir = "data"
                [tenants.shop]
                libraries = ["default"]
                api_keys = ["sha256:%s"]
                read_keys = ["sha256:%s"]
                %s
                """
                        .formatted(settings, digest("writer"), digest("reader"), quota);
        Files.writeString(folder.resolve("samegate.toml"), text);
    }

    static Gateway start() throws IOException {
        return start("", "");
    }

    /** Starts a gateway with further settings of the process, and of its tenant. */
    static Gateway start(String settings, String quota) throws IOException {
        Gateway gateway = new Gateway(settings, quota);
        gateway.run();
        return gateway;
    }

    SamegateClient client() {
        return client("writer");
    }

    SamegateClient client(String key) {
        return SamegateClient.builder(address).apiKey(key).build();
    }

    void run() throws IOException {
        String binary = System.getenv("SAMEGATE_BINARY");
        assertTrue(binary != null, "SAMEGATE_BINARY must name the gateway's binary");
        Path log = folder.resolve("gateway.log");
        process =
                new ProcessBuilder(
                                binary, "serve", "--config", "samegate.toml", "--grpc", address, "--rest", rest,
                                "--admin", admin)
                        .directory(folder.toFile())
                        .redirectErrorStream(true)
                        .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
                        .start();
        await(this::isReady);
    }

    void kill() {
        process.destroyForcibly();
        process.onExit().orTimeout(LIMIT_S, TimeUnit.SECONDS).join();
    }

    /** Ends it by SIGTERM, so that it drains. */
    void drain() {
        process.destroy();
        process.onExit().orTimeout(LIMIT_S, TimeUnit.SECONDS).join();
    }

    /** Stops (STOP) and continues (CONT) the process. */
    void signal(String name) throws IOException, InterruptedException {
        new ProcessBuilder("kill", "-" + name, Long.toString(process.pid())).start().waitFor();
    }

    /** Returns a page of the admin API; empty if there is none. */
    String admin(String path) {
        try {
            HttpURLConnection connection =
                    (HttpURLConnection) URI.create("http://" + admin + path).toURL().openConnection();
            return connection.getResponseCode() == 200
                    ? new String(connection.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
                    : "";
        } catch (IOException error) {
            return "";
        }
    }

    @Override
    public void close() throws IOException {
        kill();
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }

    /** Waits for a condition. */
    static void await(BooleanSupplier condition) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_S);
        while (!condition.getAsBoolean()) {
            assertTrue(System.nanoTime() < end, "not within " + LIMIT_S + " s");
            try {
                Thread.sleep(20);
            } catch (InterruptedException error) {
                fail(error);
            }
        }
    }

    /** Below the range of ephemeral ports, so that no connection has it when the gateway starts again. */
    static int freePort() {
        while (true) {
            int port = ThreadLocalRandom.current().nextInt(15_000, 30_000);
            try (ServerSocket socket = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
                return socket.getLocalPort();
            } catch (IOException error) {
                continue;
            }
        }
    }

    private boolean isReady() {
        if (!process.isAlive()) {
            try {
                fail(Files.readString(folder.resolve("gateway.log")));
            } catch (IOException error) {
                fail(error);
            }
        }
        return !admin("/readyz").isEmpty();
    }

    private static String digest(String key) {
        try {
            byte[] bytes = key.getBytes(StandardCharsets.UTF_8);
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException error) {
            throw new AssertionError(error);
        }
    }
}
