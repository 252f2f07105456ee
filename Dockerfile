# Container image of the gateway, without shell and package manager: `make image`.

# The Debian release of the second stage, and the compiler of rust-toolchain.toml.
FROM docker.io/library/rust:1.95.0-slim-bookworm AS build
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
FROM gcr.io/distroless/cc-debian12:nonroot
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
