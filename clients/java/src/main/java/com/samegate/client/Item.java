package com.samegate.client;

import java.util.List;
import java.util.Objects;

/**
 * One image of a bulk load.
 *
 * @param image the image; not a {@link ImageSource.Sign}
 * @param brief text that each match returns, up to 256 bytes of UTF-8
 * @param tags numbers that searches can filter by: up to 2, each 1 to 65535
 */
public record Item(ImageSource image, String brief, List<Integer> tags) {
    /**
     * Makes an item; copies the tags.
     *
     * @param image the image
     * @param brief text that each match returns
     * @param tags numbers that searches can filter by
     */
    public Item {
        Objects.requireNonNull(image, "image");
        Objects.requireNonNull(brief, "brief");
        tags = List.copyOf(tags);
    }

    /**
     * Makes an item without tags.
     *
     * @param image the image
     * @param brief text that each match returns
     */
    public Item(ImageSource image, String brief) {
        this(image, brief, List.of());
    }
}
