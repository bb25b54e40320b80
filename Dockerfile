# `maskwright serve` in a container; docs/serve.md has the commands, compose.yaml an example.
# TORCH_INDEX: the wheel index of another torch build, such as the CPU build, which is far smaller than PyPI's
FROM python:3.12-slim AS build
ARG TORCH_INDEX=
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir torch ${TORCH_INDEX:+--index-url $TORCH_INDEX} \
 && /venv/bin/pip install --no-cache-dir ".[web,video]"

FROM python:3.12-slim
COPY --from=build /venv /venv
RUN useradd --uid 10001 --no-create-home maskwright
USER 10001
ENV PATH=/venv/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=3)"]
ENTRYPOINT ["maskwright", "serve", "--host", "0.0.0.0"]
CMD ["balloons"]
