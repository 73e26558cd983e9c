// A bytecode interpreter, one switch in a loop, that runs a sieve of Eratosthenes.
#include "kernel.h"

enum { PUSH, LOAD, STORE, ADD, SUB, MUL, LESS, JUMP, JUMP_ZERO, READ, WRITE, DUP, DROP, SWAP, INC, HALT };
enum { CELLS = 200 };
static int32_t stack[32], variables[8];
static uint8_t cells[CELLS];

static const uint8_t program[] = {
    PUSH, 2, STORE, 0,                                  // i = 2
    /* 4 */ LOAD, 0, PUSH, CELLS, LESS, JUMP_ZERO, 60,  // while i < CELLS
    LOAD, 0, READ, PUSH, 1, LESS, JUMP_ZERO, 53,         // if not cells[i]
    LOAD, 1, INC, STORE, 1,                             // primes++
    LOAD, 0, DUP, MUL, STORE, 2,                        // j = i * i
    /* 30 */ LOAD, 2, PUSH, CELLS, LESS, JUMP_ZERO, 53,
    PUSH, 1, LOAD, 2, WRITE,                            // cells[j] = 1
    LOAD, 2, LOAD, 0, ADD, STORE, 2,                    // j += i
    JUMP, 30, HALT, HALT,
    /* 53 */ LOAD, 0, INC, STORE, 0, JUMP, 4, HALT,
};

static int32_t interpret(const uint8_t *pc)
{
    int32_t *sp = stack;
    for (;;) {
        switch (*pc++) {
        case PUSH: *sp++ = *pc++; break;
        case LOAD: *sp++ = variables[*pc++ & 7]; break;
        case STORE: variables[*pc++ & 7] = *--sp; break;
        case ADD: sp--; sp[-1] += *sp; break;
        case SUB: sp--; sp[-1] -= *sp; break;
        case MUL: sp--; sp[-1] *= *sp; break;
        case LESS: sp--; sp[-1] = sp[-1] < *sp; break;
        case JUMP: pc = program + *pc; break;
        case JUMP_ZERO: pc = *--sp ? pc + 1 : program + *pc; break;
        case READ: sp[-1] = cells[sp[-1]]; break;
        case WRITE: sp -= 2; cells[sp[1]] = (uint8_t)sp[0]; break;
        case DUP: *sp = sp[-1]; sp++; break;
        case DROP: sp--; break;
        case SWAP: { int32_t t = sp[-1]; sp[-1] = sp[-2]; sp[-2] = t; break; }
        case INC: sp[-1]++; break;
        default: return variables[1];
        }
    }
}

EXPORT uint32_t run(uint32_t n)
{
    uint32_t sum = 0;
    while (n--) {
        for (int i = 0; i < CELLS; i++) cells[i] = 0;
        for (int i = 0; i < 8; i++) variables[i] = 0;
        sum += (uint32_t)interpret(program);
    }
    return sum;
}
