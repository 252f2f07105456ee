# The gateway as an image without shell or package manager: `make image`.

# Debian as below, and the compiler of rust-toolchain.toml.
FROM docker.io/library/rust:1.95.0-slim-bookworm AS build
WORKDIR /src
# What the binary is made of, and what its manifest names.
COPY Cargo.toml Cargo.lock build.rs ./
COPY benches benches
COPY config config
COPY crates crates
COPY proto proto
COPY src src
# Dependencies are kept between builds; the binary leaves the cache.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin samegate \
    && install -D target/release/samegate /out/samegate

# glibc, libgcc and the certificates of public authorities: what the binary wants.
FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="samegate" \
      org.opencontainers.image.description="A gRPC gateway for same-image search" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/samegate /usr/bin/samegate
# By number, so that `runAsNonRoot` can be checked.
USER 65532:65532
# gRPC, REST, admin. Without a configuration they listen on loopback only.
EXPOSE 50051 8080 9090
ENTRYPOINT ["/usr/bin/samegate"]
CMD ["serve"]
