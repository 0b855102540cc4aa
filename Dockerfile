# The demo and the commands of inference, on the CPU:
#
#   docker build -t attention-unet .
#   docker run --rm -p 127.0.0.1:7860:7860 attention-unet
#   docker run --rm -v "$PWD:/mnt" -w /mnt --user "$(id -u):$(id -g)" attention-unet \
#       inference.segment photos --output masks
#   docker run --rm attention-unet inference.doctor
#
# Inside, the demo listens on every address of the container; who reaches it is what -p says. The one above
# lets in this machine alone. Before you publish the port to others, ask visitors for a password:
# -e APP_AUTH=user:password.
#
# Training and export, on the CPU or on NVIDIA cards:
#
#   docker build --target training -t attention-unet-training .
#   docker build --target training --build-arg TORCH_INDEX=https://pypi.org/simple \
#       -t attention-unet-training .                      # with CUDA
#   docker run --rm --gpus all -v "$PWD:/mnt" --user "$(id -u):$(id -g)" attention-unet-training \
#       training.train --data /mnt/data --out /mnt/runs/first
#
# Training and export on Ascend NPUs, on CANN's own image for the chip (quay.io/ascend/cann has the tags). The
# driver stays on the host, whose devices `make npu-shell` hands in:
#
#   docker build --target npu -t attention-unet-npu .
#   docker build --target npu --build-arg CANN_IMAGE=quay.io/ascend/cann:9.1.0-310p-ubuntu22.04-py3.12 \
#       -t attention-unet-npu .
#   make npu-shell

ARG CANN_IMAGE=quay.io/ascend/cann:9.1.0-910b-ubuntu22.04-py3.12

FROM python:3.11-slim-bookworm AS base
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1
RUN useradd --create-home --uid 10001 user
WORKDIR /attention-unet
# What decides on the packages comes first, so that a change of the code does not install them again.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN for package in app export inference inference/models training; do mkdir $package && touch $package/__init__.py; done
# Ctrl-C to every command, and `docker stop` too: each then leaves whole files behind.
STOPSIGNAL SIGINT
ENTRYPOINT ["python", "-m"]

FROM base AS training
# PyPI has torch with CUDA, which is many times as large.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --constraint constraints.txt --index-url "$TORCH_INDEX" torch
RUN pip install --constraint constraints.txt --editable '.[jpeg,heic,dicom,train,imagenet,export,openvino]'
COPY inference inference
COPY training training
COPY export export
USER user
CMD ["training.train", "--help"]

FROM ${CANN_IMAGE} AS npu
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1
RUN useradd --create-home --uid 10001 user
WORKDIR /attention-unet
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN for package in app export inference inference/models training; do mkdir $package && touch $package/__init__.py; done
# Of torch the extra npu chooses the version, and this index has it without CUDA, which excludes NPUs.
RUN grep -v '^torch==' constraints.txt > /tmp/constraints.txt \
    && pip install --constraint /tmp/constraints.txt --extra-index-url https://download.pytorch.org/whl/cpu \
        --editable '.[train,imagenet,export,npu]'
COPY inference inference
COPY training training
COPY export export
USER user
STOPSIGNAL SIGINT
# CANN's environment, from where this release of it has the script.
ENTRYPOINT ["bash", "-c", "for f in /usr/local/Ascend/cann /usr/local/Ascend/ascend-toolkit; do if [ -f $f/set_env.sh ]; then . $f/set_env.sh; break; fi; done; exec \"$@\"", "bash"]
CMD ["python", "-m", "inference.doctor"]

FROM base AS inference
RUN pip install --constraint constraints.txt --editable '.[jpeg,heic,dicom,app,openvino]'
COPY inference inference
COPY app app
USER user
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "from http.client import HTTPConnection as C; c = C('127.0.0.1', 7860, timeout=4); c.request('GET', '/'); assert c.getresponse().status == 200"]
CMD ["app", "--host", "0.0.0.0"]
