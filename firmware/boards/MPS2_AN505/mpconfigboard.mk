# Arm MPS2 AN505 (Cortex-M33), which MicroPython's ports/qemu does not have.
QEMU_ARCH = arm
QEMU_MACHINE = mps2-an505

CFLAGS += -mthumb -mcpu=cortex-m33 -mfloat-abi=soft
CFLAGS += -DMICROPY_HW_MCU_NAME='"Cortex-M33"'

LDSCRIPT = $(BOARD_DIR)/an505.ld

SRC_BOARD_O = shared/runtime/gchelper_generic.o

MPY_CROSS_FLAGS += -march=armv7m
