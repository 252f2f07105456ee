package com.samegate.client;

import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import javax.imageio.ImageIO;

/** Draws pictures: a seed determines one. */
final class Pictures {
    private static final int WIDTH = 480;
    private static final int HEIGHT = 360;

    private Pictures() {}

    static byte[] png(int seed) {
        return draw(seed, "png");
    }

    static byte[] bmp(int seed) {
        return draw(seed, "bmp");
    }

    /** Returns files that differ; searches are not what is tested, so they are one picture. */
    static Stream<Item> items(int count) {
        byte[] picture = png(1);
        return IntStream.range(0, count)
                .mapToObj(number -> new Item(ImageSource.bytes(longer(picture, "" + number)), "n/" + number));
    }

    /** Returns a file of a length: a decoder ignores what comes after the end of the picture. */
    static ImageSource ofLength(int length, int seed) {
        return ImageSource.bytes(Arrays.copyOf(png(seed), length));
    }

    static List<Item> list(int count) {
        return items(count).toList();
    }

    private static byte[] longer(byte[] picture, String end) {
        byte[] added = end.getBytes(StandardCharsets.UTF_8);
        byte[] longer = Arrays.copyOf(picture, picture.length + added.length);
        System.arraycopy(added, 0, longer, picture.length, added.length);
        return longer;
    }

    private static byte[] draw(int seed, String format) {
        Random random = new Random(seed);
        BufferedImage picture = new BufferedImage(WIDTH, HEIGHT, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = picture.createGraphics();
        for (int rectangle = 0; rectangle < 60; rectangle++) {
            graphics.setColor(new Color(random.nextInt(1 << 24)));
            graphics.fillRect(
                    random.nextInt(WIDTH - 20),
                    random.nextInt(HEIGHT - 20),
                    10 + random.nextInt(110),
                    10 + random.nextInt(80));
        }
        graphics.dispose();
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try {
            ImageIO.write(picture, format, bytes);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        return bytes.toByteArray();
    }
}
