package com.samegate.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.StringWriter;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The code in the documentation compiles. */
class PageTest {
    private static final Pattern CODE = Pattern.compile("(?s)```java\n(.*?)```");

    @TempDir Path classes;

    /** All at once, because most of the time is that of a compiler's start. */
    @Test
    void theCodeOfThePageAndTheReadmeCompiles() throws IOException {
        List<JavaFileObject> programs = new ArrayList<>();
        for (Path page : List.of(Path.of("../../docs/clients/java.md"), Path.of("README.md"))) {
            for (MatchResult block : CODE.matcher(Files.readString(page)).results().toList()) {
                programs.add(program("Page" + programs.size(), block.group(1)));
            }
        }
        assertEquals(8, programs.size());
        StringWriter messages = new StringWriter();
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        List<String> options = List.of("-proc:none", "-d", classes.toString());
        assertTrue(compiler.getTask(messages, null, null, options, null, programs).call(), messages::toString);
    }

    /** Puts code into a method that has what the page takes for granted. */
    private static JavaFileObject program(String name, String block) {
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
                abstract class %s {
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
                        .formatted(name, client, sign, block);
        return new SimpleJavaFileObject(URI.create("string:///" + name + ".java"), JavaFileObject.Kind.SOURCE) {
            @Override
            public CharSequence getCharContent(boolean ignoreEncodingErrors) {
                return text;
            }
        };
    }
}
