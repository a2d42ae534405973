FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /app
COPY requirements.txt requirements-build.txt ./
RUN pip install -q --require-hashes -r requirements-build.txt \
 && pip install -q --require-hashes --no-build-isolation -r requirements.txt
COPY . .
# Each script is checked against its hash. The data folder made here holds a key and stays behind.
RUN POSTSTELLE_DATA=/tmp/data flask --app app assets sync \
 && pybabel -q compile -d translations \
 && python -m compileall -q /app

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin poststelle \
 && install -d -o poststelle -g poststelle -m 0700 /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    POSTSTELLE_DATA=/data \
    POSTSTELLE_HOST=0.0.0.0 \
    POSTSTELLE_PORT=8080 \
    POSTSTELLE_SMTP_HOST=0.0.0.0 \
    POSTSTELLE_SMTP_PORT=2525 \
    POSTSTELLE_ASSETS=local
USER poststelle
VOLUME /data
EXPOSE 8080 2525
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"POSTSTELLE_PORT\"]}/healthz', timeout=4)"]
# Process 1, so that SIGTERM reaches it and what is in flight is finished. It brings the database up to date.
CMD ["flask", "--app", "app", "serve"]
