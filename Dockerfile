# The image of all pools: `docker build -t sagamesh:0.1.0 .`, and with `--target evaluation` one that adds the Temporal
# server and the sandbox's gateway and mailbox, for a look at the whole on one machine.

FROM python:3.11.14-slim-bookworm AS build
WORKDIR /build
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_NO_CACHE=1 UV_PYTHON=/opt/venv/bin/python
COPY constraints.txt pyproject.toml ./
# uv from the same pins; it refuses whatever has another hash than constraints.txt says.
RUN awk '/^[a-z]/{keep=/^uv==/} keep' constraints.txt > uv.txt \
    && pip install --no-cache-dir --require-hashes -r uv.txt \
    && python -m venv --without-pip /opt/venv
# What changes rarely first: the dependencies of workers, without the code. uvloop without the server beside it.
RUN uv pip install --constraints constraints.txt -r pyproject.toml \
        --extra cli --extra metrics --extra tracing --extra logs --extra sql --extra http --extra mail uvloop
COPY README.md LICENSE ./
COPY src src
RUN uv build --quiet --wheel --build-constraints constraints.txt --require-hashes --out-dir dist . \
    && uv pip install --no-deps dist/*.whl
COPY agents activities workflows workers /app/
RUN python -m compileall -q /app

FROM build AS evaluation-build
RUN uv pip install --constraints constraints.txt -r pyproject.toml --extra stack --extra sandbox

FROM python:3.11.14-slim-bookworm AS base
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    SAGAMESH_APP=mesh_workers:app
# Owned by the user, so that a volume that is mounted there is, too.
RUN mkdir /data && chown 10001:10001 /data
WORKDIR /app
USER 10001:10001
ENTRYPOINT ["sagamesh"]
CMD ["--help"]

FROM base AS evaluation
COPY --from=evaluation-build /opt/venv /opt/venv
COPY --from=evaluation-build /app /app
# As `sagamesh up` starts it, but open to the network of its containers. No authentication: for evaluation only.
ENTRYPOINT ["temporal", "server", "start-dev", "--log-level", "warn", \
  "--ip", "0.0.0.0", "--ui-ip", "0.0.0.0", "--ui-disable-news-fetch", "--port", "7233", "--ui-port", "8233", \
  "--db-filename", "/data/temporal.db", \
  "--sqlite-pragma", "journal_mode=WAL", \
  "--sqlite-pragma", "synchronous=NORMAL", \
  "--dynamic-config-value", "history.transferProcessorMaxPollRPS=200", \
  "--dynamic-config-value", "history.transferProcessorUpdateAckInterval=\"1s\"", \
  "--dynamic-config-value", "history.timerProcessorMaxTimeShift=\"10ms\"", \
  "--dynamic-config-value", "matching.numTaskqueueReadPartitions=1", \
  "--dynamic-config-value", "matching.numTaskqueueWritePartitions=1", \
  "--dynamic-config-value", "matching.getUserDataRefresh=\"5s\"", \
  "--dynamic-config-value", "matching.enableFairness=true", \
  "--dynamic-config-value", "system.forceSearchAttributesCacheRefreshOnRead=false", \
  "--search-attribute", "SagameshStatus=Keyword", \
  "--search-attribute", "SagameshNeedsOperator=Bool", \
  "--search-attribute", "SagameshCustomer=Keyword", \
  "--search-attribute", "SagameshAgents=KeywordList"]
CMD []

FROM base AS runtime
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
