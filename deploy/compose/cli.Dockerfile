# The command line: provisions the broker, asks, traces. Build from the top of the repository.
FROM ghcr.io/astral-sh/uv:0.13-python3.13-bookworm-slim AS build
ENV UV_PROJECT_ENVIRONMENT=/opt/opswire \
    UV_PYTHON_DOWNLOADS=never \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy
WORKDIR /build
COPY pyproject.toml uv.lock ./
COPY contracts contracts
COPY chassis chassis
COPY ledger ledger
COPY lab lab
COPY cli cli
COPY services services
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --locked --no-dev --no-editable --package opswire-cli

FROM python:3.13-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/opswire --create-home opswire
COPY --from=build /opt/opswire /opt/opswire
ENV PATH=/opt/opswire/bin:$PATH
WORKDIR /var/lib/opswire
USER opswire
ENTRYPOINT ["opswire"]
