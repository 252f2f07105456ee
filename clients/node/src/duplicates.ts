// The groups of same images in a library, over interruptions.

import type { MessageInitShape } from "@bufbuild/protobuf";

import { backoffMs, sleep, STREAM_ATTEMPTS } from "./backoff";
import { cancel, type CallOptions, type Channel } from "./channel";
import { SamegateError } from "./errors";
import * as pb from "./gen/samegate/v1/same_image_pb";

/**
 * Iterates over groups of same images; goes on from its cursor after an interruption: groups that
 * came after it come again, and `compared` and `total` count anew.
 *
 * Groups that share an image are one group: a large library sends a group in several parts.
 */
export class Duplicates implements AsyncIterable<pb.DuplicateGroup> {
  /** How many images were compared with all others. */
  compared = 0;
  /** How many images are to be compared. */
  total = 0;
  /** The position up to which all groups were yielded, also for a later run. */
  cursor: string;

  readonly #channel: Channel;
  readonly #request: MessageInitShape<typeof pb.FindDuplicatesRequestSchema>;
  readonly #options: CallOptions | undefined;

  /** @internal */
  constructor(
    channel: Channel,
    request: MessageInitShape<typeof pb.FindDuplicatesRequestSchema>,
    options?: CallOptions,
  ) {
    this.#channel = channel;
    this.#request = request;
    this.#options = options;
    this.cursor = request.cursor ?? "";
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<pb.DuplicateGroup, void, undefined> {
    const signal = this.#options?.signal;
    for (let failures = 0; ; ) {
      const before = this.cursor;
      const request = { ...this.#request, cursor: before };
      const method = pb.SameImageService.method.findDuplicates;
      const stream = await this.#channel.serverStream(method, request, this.#options);
      try {
        for await (const { event } of stream as AsyncIterable<pb.FindDuplicatesResponse>) {
          if (event.case === "group") yield event.value;
          else if (event.case === "progress") this.#progressed(event.value);
        }
        return;
      } catch (error) {
        signal?.throwIfAborted();
        const failure = SamegateError.fromCall(error);
        failures = this.cursor === before ? failures + 1 : 1;
        if (!failure.isTransient || failures >= STREAM_ATTEMPTS) throw failure;
        await sleep(Math.max(failure.retryAfterMs ?? 0, backoffMs(failures)), signal);
      } finally {
        cancel(stream);
      }
    }
  }

  #progressed(progress: pb.FindDuplicatesProgress): void {
    this.compared = Number(progress.compared);
    this.total = Number(progress.total);
    if (progress.cursor) this.cursor = progress.cursor;
  }
}
