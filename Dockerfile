# docker build -t countersign .
# Runs as a user without rights on a read-only root file system: everything it keeps is in /srv/var (a volume) or PostgreSQL.

FROM python:3.11-slim-bookworm AS build
WORKDIR /srv/countersign
COPY requirements/uv.txt requirements/runtime.txt requirements/
RUN python -m venv --without-pip /srv/venv \
    && pip install --no-cache-dir --require-hashes -r requirements/uv.txt \
    && VIRTUAL_ENV=/srv/venv uv pip sync --no-cache --require-hashes requirements/runtime.txt
COPY . .
RUN VIRTUAL_ENV=/srv/venv uv pip install --no-cache --offline --no-deps --editable . \
    && python scripts/sbom.py > sbom.cdx.json \
    && /srv/venv/bin/python -m compileall -q app /srv/venv

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /srv/var --shell /usr/sbin/nologin countersign \
    && install -d -o countersign -g countersign -m 0700 /srv/var \
    && pip uninstall --yes --quiet --root-user-action=ignore setuptools wheel pip
COPY --from=build /srv/venv /srv/venv
COPY --from=build /srv/countersign /srv/countersign
ENV PATH=/srv/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /srv
USER 10001
VOLUME /srv/var
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["countersign"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
