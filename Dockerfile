# The image of every service of Cartpulse: `docker build -t cartpulse .`; docker-compose.yml shows how it is run.
FROM python:3.13-slim AS build

WORKDIR /src
COPY requirements.lock ./
# uv by its hash, from the lock; it then installs what a service needs and leaves out what developers need,
# each package by the lock's version and hash.
RUN sed -n '/^uv==/,/[^\\]$/p' requirements.lock > uv.lock \
    && pip install --no-cache-dir --require-hashes --requirement uv.lock \
    && python -m venv /opt/cartpulse
COPY pyproject.toml README.md LICENSE ./
RUN uv pip install --no-cache --compile-bytecode --python /opt/cartpulse/bin/python \
    --constraint requirements.lock --requirement pyproject.toml
COPY models ./models
COPY streams ./streams
COPY agents ./agents
COPY cartpulse ./cartpulse
RUN uv pip install --no-cache --compile-bytecode --python /opt/cartpulse/bin/python \
    --no-deps --build-constraint requirements.lock .


FROM python:3.13-slim

# By number, so that Kubernetes can tell that it is not root. /var/lib/cartpulse is for checkpoints: a volume
# that is mounted there belongs to the user, too. All else may be read-only but /tmp.
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin cartpulse \
    && install --directory --owner 10001 --group 10001 /var/lib/cartpulse
COPY --from=build /opt/cartpulse /opt/cartpulse
ENV PATH=/opt/cartpulse/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    CARTPULSE_WEB_HOST=0.0.0.0
# Probes and Prometheus come from outside of the container; nothing of it is published unless asked for.
EXPOSE 6066
USER 10001:10001
WORKDIR /tmp
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as web; web.urlopen('http://127.0.0.1:' + os.environ.get('CARTPULSE_WEB_PORT', '6066') + '/health/live', timeout=2)"]
ENTRYPOINT ["cartpulse"]
CMD ["worker"]
