// Where code in C is executed.
#include "py/dynruntime.h"

static mp_obj_t pc(void) {
    mp_uint_t here;
    #if defined(__thumb__)
    __asm volatile ("mov %0, pc" : "=r" (here));
    #else
    __asm volatile ("auipc %0, 0" : "=r" (here));
    #endif
    return mp_obj_new_int_from_uint(here);
}
static MP_DEFINE_CONST_FUN_OBJ_0(pc_obj, pc);

mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t n_args, size_t n_kw, mp_obj_t *args) {
    MP_DYNRUNTIME_INIT_ENTRY
    mp_store_global(MP_QSTR_pc, MP_OBJ_FROM_PTR(&pc_obj));
    MP_DYNRUNTIME_INIT_EXIT
}
