# syntax=docker/dockerfile:1
FROM python:3.11-slim AS build
WORKDIR /build
COPY requirements.lock ./
RUN python -m venv /opt/vaanisetu && /opt/vaanisetu/bin/pip install --no-cache-dir --no-deps -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY whatsapp whatsapp
RUN /opt/vaanisetu/bin/pip install --no-cache-dir --no-deps .

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /srv/vaanisetu --create-home vaanisetu
WORKDIR /srv/vaanisetu
COPY --from=build /opt/vaanisetu /opt/vaanisetu
COPY lang_packs lang_packs
ENV PATH=/opt/vaanisetu/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    VAANISETU_ENVIRONMENT=production \
    VAANISETU_HOST=0.0.0.0 \
    VAANISETU_DRAIN_SECONDS=90 \
    VAANISETU_DATA_DIR=/srv/vaanisetu/data \
    VAANISETU_PACKS_DIR=/srv/vaanisetu/lang_packs
RUN mkdir data && chown vaanisetu:vaanisetu data
USER vaanisetu
VOLUME /srv/vaanisetu/data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/readyz', timeout=2)"]
CMD ["vaanisetu", "serve"]
