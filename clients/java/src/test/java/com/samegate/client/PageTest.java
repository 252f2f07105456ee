package com.samegate.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.StringWriter;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;

/** The code in the documentation compiles. */
class PageTest {
    private static final Pattern CODE = Pattern.compile("(?s)```java\n(.*?)```");

    @Test
    void theCodeOfThePageCompiles() throws IOException {
        compile(Path.of("../../docs/clients/java.md"), 7);
    }

    @Test
    void theCodeOfTheReadmeCompiles() throws IOException {
        compile(Path.of("README.md"), 1);
    }

    private static void compile(Path page, int expected) throws IOException {
        List<String> blocks =
                CODE.matcher(Files.readString(page)).results().map(each -> each.group(1)).toList();
        assertEquals(expected, blocks.size());
        StringWriter messages = new StringWriter();
        for (String block : blocks) {
            JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
            List<String> options = List.of("-proc:none", "-d", Files.createTempDirectory("samegate-page-").toString());
            assertTrue(
                    compiler.getTask(messages, null, null, options, null, List.of(program(block))).call(),
                    messages::toString);
        }
    }

    /** Puts code into a method that has what the page takes for granted. */
    private static JavaFileObject program(String block) {
        // Code that makes the client declares it; the rest uses one.
        String client = block.contains("SamegateClient samegate =") ? "" : "SamegateClient samegate, ";
        String sign = block.contains("String sign =") ? "" : "String sign = null;";
        String text =
                """
                import com.samegate.client.*;
                import com.samegate.v1.*;
                import io.grpc.*;
                import java.io.File;
                import java.nio.file.*;
                import java.time.Duration;
                import java.util.*;
                import java.util.stream.*;
                abstract class Page {
                    abstract String token();
                    abstract void later(Optional<Duration> wait);
                    abstract void keep(String cursor);
                    void code(%s ImageSource picture, String key, File ca, File certificate, File privateKey)
                            throws Exception {
                        %s
                        %s
                    }
                }
                """
                        .formatted(client, sign, block);
        return new SimpleJavaFileObject(URI.create("string:///Page.java"), JavaFileObject.Kind.SOURCE) {
            @Override
            public CharSequence getCharContent(boolean ignoreEncodingErrors) {
                return text;
            }
        };
    }
}
