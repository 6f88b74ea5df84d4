# syntax=docker/dockerfile:1
# The production image: web by default; worker, beat and one-shots are other commands of it
# (see deploy/compose.yaml).

FROM python:3.13-slim AS build
ENV PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /app
RUN python -m venv /opt/venv
ENV PATH="/opt/venv/bin:$PATH"
COPY requirements.txt ./
RUN pip install --require-hashes --requirement requirements.txt
COPY . .
# Compiled here, because the account that runs it may not write. The key signs nothing.
RUN SECRET_KEY=used-by-collectstatic-only \
    DJANGO_SETTINGS_MODULE=legato_payments.settings.production \
    python manage.py collectstatic --no-input --verbosity 0 \
    && python -m compileall -q legato_payments payments revenue access

FROM python:3.13-slim
ENV PATH="/opt/venv/bin:$PATH" \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=legato_payments.settings.production \
    LEGATO_STATE_DIR=/var/lib/legato \
    PROMETHEUS_MULTIPROC_DIR=/var/lib/legato-metrics \
    DB_POOL_MAX_SIZE=8
RUN groupadd --system --gid 10001 legato \
    && useradd --system --uid 10001 --gid legato --no-create-home --shell /usr/sbin/nologin legato \
    && install --directory --owner=legato --group=legato /var/lib/legato /var/lib/legato-metrics
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
WORKDIR /app
USER 10001:10001
EXPOSE 8005

# Asked under a name the service answers to: any other is refused with 400.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["python", "-c", "\
import http.client, os; \
host = os.environ.get('ALLOWED_HOSTS', '').split(',')[0].strip().lstrip('.*') or '127.0.0.1'; \
web = http.client.HTTPConnection('127.0.0.1', 8005, timeout=4); \
web.request('GET', '/livez', headers={'Host': host}); \
raise SystemExit(web.getresponse().status != 200)"]

CMD ["gunicorn", "legato_payments.wsgi:application", \
     "--bind", "0.0.0.0:8005", \
     "--workers", "2", "--worker-class", "gthread", "--threads", "4", \
     "--worker-tmp-dir", "/dev/shm", "--graceful-timeout", "25", "--no-control-socket"]
