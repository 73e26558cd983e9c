// The CMSDK UART0 where secure code sees it (Arm DAI 0505, 3.6; the registers: Arm DDI 0479, 4.3).
#include <stddef.h>
#include <stdint.h>

#include "uart.h"

#define DATA (*(volatile uint32_t *)0x50200000)
#define STATE (*(volatile uint32_t *)0x50200004) // bit 0: sending, bit 1: something came
#define CTRL (*(volatile uint32_t *)0x50200008) // bit 0: send, bit 1: receive
#define BAUDDIV (*(volatile uint32_t *)0x50200010)

void uart_init(void) {
    BAUDDIV = 16;
    CTRL = 3;
}

int uart_rx_chr(void) {
    return STATE & 2 ? (int)DATA : UART_RX_NO_CHAR;
}

void uart_tx_strn(const char *buf, size_t len) {
    for (size_t i = 0; i < len; i++) {
        while (STATE & 1) {
        }
        DATA = buf[i];
    }
}
