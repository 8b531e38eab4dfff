# The three images, each of one static program (musl) and certificate authorities: docker build --target consumer .
# On each platform as it is, nothing is cross-compiled: --platform linux/arm64 on an amd64 builder runs in QEMU, slowly.

FROM rust:1.95.0-alpine AS chef
RUN apk add --no-cache ca-certificates gcc make musl-dev
RUN cargo install cargo-chef --locked --version 0.1.78
# This image's toolchain, whatever rust-toolchain.toml would add for developers.
ENV RUSTUP_TOOLCHAIN=1.95.0 CARGO_INCREMENTAL=0
WORKDIR /exportpool

FROM chef AS recipe
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

# Dependencies are a layer of their own: it stays until Cargo.lock changes.
FROM chef AS programs
ARG TARGETARCH
# release, or image, which is built in a third of the time.
ARG PROFILE=release
# Before anything is compiled: it says how jemalloc is built.
COPY .cargo .cargo
COPY --from=recipe /exportpool/recipe.json .
# jemalloc runs on pages that are no larger than those it was built for, and arm64 has up to 64 KiB.
RUN if [ "$TARGETARCH" = arm64 ]; then printf 'JEMALLOC_SYS_WITH_LG_PAGE = "16"\n' >>.cargo/config.toml; fi \
    && cargo chef cook --locked --profile "$PROFILE" --config "profile.$PROFILE.debug=false" --recipe-path recipe.json \
       --package exportpool-consumer --package exportpool-operator --package exportctl
COPY . .
RUN if [ "$TARGETARCH" = arm64 ]; then printf 'JEMALLOC_SYS_WITH_LG_PAGE = "16"\n' >>.cargo/config.toml; fi \
    && cargo build --locked --bins --profile "$PROFILE" --config "profile.$PROFILE.debug=false" \
       --package exportpool-consumer --package exportpool-operator --package exportctl
RUN mkdir -p /root/image/tmp /root/image/etc/ssl/certs \
    && chmod 1777 /root/image/tmp \
    && echo 'nonroot:x:65532:65532::/:/none' >/root/image/etc/passwd \
    && cp /etc/ssl/certs/ca-certificates.crt /root/image/etc/ssl/certs/ \
    && cp "target/$PROFILE/exportpool-consumer" "target/$PROFILE/exportpool-operator" "target/$PROFILE/exportctl" /

FROM scratch AS base
COPY --from=programs /root/image/ /
LABEL org.opencontainers.image.source=https://github.com/exportpool/exportpool \
      org.opencontainers.image.licenses=Apache-2.0
USER 65532:65532

FROM base AS consumer
COPY --from=programs /exportpool-consumer /
EXPOSE 3000
ENTRYPOINT ["/exportpool-consumer"]

FROM base AS operator
COPY --from=programs /exportpool-operator /
EXPOSE 8080
ENTRYPOINT ["/exportpool-operator"]

FROM base AS exportctl
COPY --from=programs /exportctl /
EXPOSE 4566
ENTRYPOINT ["/exportctl"]
