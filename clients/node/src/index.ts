/**
 * A client of samegate: finds the images of a library that are the same as another image.
 *
 *     const samegate = new Client("localhost:50051", { apiKey: "…" });
 *     const { contSign } = await samegate.add({ path: "poster.jpg" }, { brief: "poster 7" });
 *     for (const match of (await samegate.search({ path: "photo.jpg" })).matches) {
 *       console.log(match.score, match.brief);
 *     }
 *
 * Responses are the messages of the contract, in `pb`.
 *
 * @packageDocumentation
 */

export { status } from "@grpc/grpc-js";

export type { Outcome } from "./bulk";
export type { CallOptions, ClientOptions, Tls } from "./channel";
export { Client, type Fields, type Item } from "./client";
export type { Duplicates } from "./duplicates";
export { SamegateError, type ErrorDetails, type Violation } from "./errors";
export * as pb from "./gen/samegate/v1/same_image_pb";
export type { Image, NewImage } from "./images";
