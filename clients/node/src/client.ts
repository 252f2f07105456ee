// The client: every method of the contract.

import type { DescMessage, Message, MessageInitShape } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";

import { Run, type Outcome } from "./bulk";
import { Channel, encode, type CallOptions, type ClientOptions } from "./channel";
import { Duplicates } from "./duplicates";
import { SamegateError } from "./errors";
import * as health from "./gen/grpc/health/v1/health_pb";
import * as pb from "./gen/samegate/v1/same_image_pb";
import { source, type Image, type NewImage } from "./images";

/** The fields of a request but for those that the client sets. */
export type Fields<D extends DescMessage, Own extends string = never> = Omit<
  Exclude<MessageInitShape<D>, Message>,
  "$typeName" | "library" | Own
>;

/** One image of a bulk load. */
export interface Item {
  image: NewImage;
  /** Up to 256 bytes, which each match returns. */
  brief?: string;
  /** Up to 2 numbers to filter by, each 1 to 65535. */
  tags?: number[];
}

const { method } = pb.SameImageService;

/**
 * A client of one gateway, or of all addresses of a name (`dns:///NAME:PORT`): one channel, for any
 * number of calls at once. Close it when it is no longer needed.
 *
 * Every method throws SamegateError, and the reason of its `signal` when that is aborted.
 */
export class Client {
  readonly #channel: Channel;
  readonly #library: string;

  /** @param target HOST:PORT, or `dns:///NAME:PORT` for all addresses of a name. */
  constructor(target: string, options: ClientOptions = {}) {
    this.#channel = new Channel(target, options);
    this.#library = options.library ?? "";
  }

  /** Closes the connection; calls that run fail, also those that wait for a retry. */
  close(): void {
    this.#channel.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Asks the health service; false also for a gateway that is not there or does not respond. */
  async isServing(options?: CallOptions): Promise<boolean> {
    const request = { service: pb.SameImageService.typeName };
    try {
      const response = await this.#channel.unary(health.Health.method.check, request, options);
      return response.status === health.HealthCheckResponse_ServingStatus.SERVING;
    } catch (error) {
      const absent = [status.UNAVAILABLE, status.DEADLINE_EXCEEDED];
      if (error instanceof SamegateError && absent.includes(error.code!)) return false;
      throw error;
    }
  }

  /** Adds one image. By default the same bytes are rejected with IMAGE_ALREADY_EXISTS. */
  async add(
    image: NewImage,
    fields?: Fields<typeof pb.AddImageRequestSchema, "source">,
    options?: CallOptions,
  ): Promise<pb.AddImageResponse> {
    const request = { ...fields, library: this.#library, source: await source(image) };
    return this.#channel.unary(method.addImage, request, options);
  }

  /**
   * Adds any number of images over a stream; yields the outcome of each as it completes.
   *
   * Items are taken from the iterable as the gateway gets on. After a broken connection the others
   * are sent again, so an item whose bytes are stored already succeeds, with `existed`.
   */
  addAll<I extends Item>(
    items: Iterable<I> | AsyncIterable<I>,
    fields?: Fields<typeof pb.AddImagesOptionsSchema, "onDuplicate">,
    options?: CallOptions,
  ): AsyncGenerator<Outcome<I, pb.AddImagesResult>, void, undefined> {
    const schema = pb.AddImagesRequestSchema;
    const settings = { ...fields, library: this.#library, onDuplicate: pb.OnDuplicate.ACCEPT };
    const kind = {
      open: () => this.#channel.bidiStream(method.addImages, options),
      options: encode(schema, { payload: { case: "options", value: settings } }),
      encode: async (key: string, { image, brief, tags }: I) => {
        const value = { key, brief, tags, source: await source(image) };
        return encode(schema, { payload: { case: "item", value } });
      },
    };
    return new Run<I, pb.AddImagesResult>(kind, items, fields?.maxInFlight, options?.signal).outcomes();
  }

  /** Finds the stored images that are wholly or partly the same. */
  async search(
    image: Image,
    fields?: Fields<typeof pb.SearchImagesRequestSchema, "source">,
    options?: CallOptions,
  ): Promise<pb.SearchImagesResponse> {
    const request = { ...fields, library: this.#library, source: await source(image) };
    return this.#channel.unary(method.searchImages, request, options);
  }

  /** Searches with any number of images over a stream; yields the outcome of each as it completes. */
  searchAll<I extends Image>(
    images: Iterable<I> | AsyncIterable<I>,
    fields?: Fields<typeof pb.BulkSearchImagesOptionsSchema>,
    options?: CallOptions,
  ): AsyncGenerator<Outcome<I, pb.BulkSearchImagesResult>, void, undefined> {
    const schema = pb.BulkSearchImagesRequestSchema;
    const settings = { ...fields, library: this.#library };
    const kind = {
      open: () => this.#channel.bidiStream(method.bulkSearchImages, options),
      options: encode(schema, { payload: { case: "options", value: settings } }),
      encode: async (key: string, image: I) => {
        const value = { key, source: await source(image) };
        return encode(schema, { payload: { case: "item", value } });
      },
    };
    return new Run<I, pb.BulkSearchImagesResult>(kind, images, fields?.maxInFlight, options?.signal).outcomes();
  }

  /** Compares two images; nothing is stored. */
  async compare(
    first: Image,
    second: Image,
    fields?: Fields<typeof pb.CompareImagesRequestSchema, "first" | "second">,
    options?: CallOptions,
  ): Promise<pb.CompareImagesResponse> {
    const [one, other] = await Promise.all([source(first), source(second)]);
    const request = { ...fields, library: this.#library, first: { source: one }, second: { source: other } };
    return this.#channel.unary(method.compareImages, request, options);
  }

  /** Changes the brief or the tags, or both, of a stored image. */
  async update(
    contSign: string,
    { brief, tags }: { brief?: string; tags?: number[] },
    options?: CallOptions,
  ): Promise<void> {
    const request: MessageInitShape<typeof pb.UpdateImageRequestSchema> = {
      library: this.#library,
      target: { case: "contSign", value: contSign },
      brief,
      tags: tags && { values: tags },
    };
    await this.#channel.unary(method.updateImage, request, options);
  }

  /** Deletes up to 10,000 images; read `results` for the outcome of each sign. */
  delete(contSigns: string[], options?: CallOptions): Promise<pb.DeleteImagesResponse> {
    const request: MessageInitShape<typeof pb.DeleteImagesRequestSchema> = {
      library: this.#library,
      target: { case: "contSigns", value: { values: contSigns } },
    };
    return this.#channel.unary(method.deleteImages, request, options);
  }

  /** Returns the record of a stored image, with its thumbnail; with `preview` also its preview, if one is stored. */
  async get(
    contSign: string,
    fields?: Fields<typeof pb.GetImageRequestSchema, "contSign">,
    options?: CallOptions,
  ): Promise<pb.Image> {
    const request = { ...fields, library: this.#library, contSign };
    const response = await this.#channel.unary(method.getImage, request, options);
    return response.image!;
  }

  /** Yields the stored images, oldest first unless `order` says otherwise, a page at a time. */
  async *images(
    fields?: Fields<typeof pb.ListImagesRequestSchema>,
    options?: CallOptions,
  ): AsyncGenerator<pb.Image, void, undefined> {
    const request = { pageSize: 1000, pageToken: "", ...fields, library: this.#library };
    do {
      const page = await this.#channel.unary(method.listImages, request, options);
      yield* page.images;
      request.pageToken = page.nextPageToken;
    } while (request.pageToken);
  }

  /** Returns the tags of the library, each with the number of its images. */
  async tags(options?: CallOptions): Promise<pb.TagCount[]> {
    const response = await this.#channel.unary(method.listTags, { library: this.#library }, options);
    return response.tags;
  }

  /** Returns the size, the capacity and the limits of the library. */
  info(options?: CallOptions): Promise<pb.GetLibraryResponse> {
    return this.#channel.unary(method.getLibrary, { library: this.#library }, options);
  }

  /** Returns the libraries that the caller may use, with what each can do. */
  async libraries(options?: CallOptions): Promise<pb.LibraryInfo[]> {
    const response = await this.#channel.unary(method.listLibraries, {}, options);
    return response.libraries;
  }

  /** Returns the caller's libraries, quotas and last calls, and the version of the gateway. */
  state(options?: CallOptions): Promise<pb.GetStateResponse> {
    return this.#channel.unary(method.getState, {}, options);
  }

  /** Finds the groups of same images in the library. */
  findDuplicates(
    fields?: Fields<typeof pb.FindDuplicatesRequestSchema>,
    options?: CallOptions,
  ): Duplicates {
    return new Duplicates(this.#channel, { ...fields, library: this.#library }, options);
  }
}
