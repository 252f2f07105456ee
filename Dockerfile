# Container image of the gateway, without shell and package manager: `make image`.
#
# The digests are those of the indexes for all architectures. For new ones, when a
# tag changes or its packages have fixes:
#   docker buildx imagetools inspect IMAGE:TAG

# The Debian release of the second stage, and the compiler of rust-toolchain.toml.
FROM docker.io/library/rust:1.95.0-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082 AS build
WORKDIR /src
# The sources of the binary, and every path in its manifest.
COPY Cargo.toml Cargo.lock build.rs ./
COPY benches benches
COPY config config
COPY crates crates
COPY proto proto
COPY src src
# Dependencies are cached between builds; the binary is copied out of the cache.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin samegate \
    && install -D target/release/samegate /out/samegate

# The binary needs glibc, libgcc and the certificates of public authorities.
FROM gcr.io/distroless/cc-debian12:nonroot@sha256:9dac0a79194e45a7da0158a9c6da57b217585af0786db3845d1f0ec1a0dd182f
LABEL org.opencontainers.image.title="samegate" \
      org.opencontainers.image.description="A gRPC gateway for same-image search" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/samegate /usr/bin/samegate
# A numeric id, because Kubernetes cannot verify `runAsNonRoot` for a name.
USER 65532:65532
# gRPC, REST, admin. The default configuration listens on loopback only.
EXPOSE 50051 8080 9090
ENTRYPOINT ["/usr/bin/samegate"]
CMD ["serve"]
