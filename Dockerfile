# One image, two commands: payments-worker (the default) and payments-ingress. The target `sandbox` adds the stand-ins.
# Every package comes from a lock file with its hash; what builds stays in the build stages.

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
RUN python -m venv --without-pip /opt/payments
COPY requirements.lock requirements-dev.lock ./
RUN pip --python /opt/payments/bin/python install --require-hashes -r requirements.lock
# What builds our own package: these entries of the development lock, a missing one fails by name.
RUN awk '/^[a-z]/ { take = /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/ } take' requirements-dev.lock \
        > build.lock && pip install --require-hashes -r build.lock
COPY pyproject.toml README.md ./
COPY contracts contracts
COPY webhook_ingress webhook_ingress
COPY worker worker
RUN pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && pip --python /opt/payments/bin/python install --no-deps dist/*.whl \
    && rm /opt/payments/bin/payments-sandbox


FROM build AS build-sandbox
# The simulator and the sample services need no more than the service itself; the embedded database stays out.
COPY sandbox sandbox
RUN pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && pip --python /opt/payments/bin/python install --no-deps --force-reinstall dist/*.whl


FROM python:3.13-slim AS runtime
ENV PATH=/opt/payments/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin payments
USER 10001
WORKDIR /


FROM runtime AS sandbox
COPY --from=build-sandbox /opt/payments /opt/payments
ENTRYPOINT ["payments-sandbox"]
CMD ["--help"]


# The last target is the one that `docker build .` makes.
FROM runtime AS service
COPY --from=build /opt/payments /opt/payments
EXPOSE 5005 5006
# Which of the two commands runs here is in the command line of the container's first process.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-c", "\
import os, urllib.request; \
ingress = 'ingress' in open('/proc/1/cmdline').read(); \
port = os.environ.get('PORT') or '5005' if ingress else os.environ.get('WORKER_PORT') or '5006'; \
urllib.request.urlopen(f'http://127.0.0.1:{port}/health', timeout=4)"]
CMD ["payments-worker"]
