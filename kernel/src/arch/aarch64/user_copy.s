// Copies between the kernel and user addresses. Each instruction that touches user
// memory has an entry in the table of fixups, in ascending order: where to continue
// after a fault that is not repaired, and whether one may be.

.equ RESOLVED, 1
.equ REFUSED, 0

// A fault at the next instruction continues at \to.
.macro user to, faults
7777:
    .pushsection .fixups, "a"
    .quad   7777b
    .quad   \to
    .quad   \faults
    .popsection
.endm

// 64 bytes at \at from the source in x1 to the target in x0. Uses x4 to x11.
.macro copy_64_user at, to, faults
    user \to, \faults
    ldp     x4, x5, [x1, #\at]
    user \to, \faults
    ldp     x6, x7, [x1, #\at + 16]
    user \to, \faults
    ldp     x8, x9, [x1, #\at + 32]
    user \to, \faults
    ldp     x10, x11, [x1, #\at + 48]
    user \to, \faults
    stp     x4, x5, [x0, #\at]
    user \to, \faults
    stp     x6, x7, [x0, #\at + 16]
    user \to, \faults
    stp     x8, x9, [x0, #\at + 32]
    user \to, \faults
    stp     x10, x11, [x0, #\at + 48]
.endm

// name(x0: to, x1: from, x2: length) -> bytes not copied: exactly those from the first
// on that cannot be.
.macro copy_routine name, faults
.global \name
\name:
    add     x3, x1, x2              // end of the source, to know what is left
    subs    x2, x2, #128
    b.lo    2f
1:  copy_64_user 0, 80f, \faults
    copy_64_user 64, 81f, \faults
    add     x0, x0, #128
    add     x1, x1, #128
    subs    x2, x2, #128
    b.hs    1b
    // The low seven bits of what is left are as they were.
2:  tbz     x2, #6, 3f
    copy_64_user 0, 80f, \faults
    add     x0, x0, #64
    add     x1, x1, #64
3:  and     x2, x2, #63
4:  cmp     x2, #8
    b.lo    5f
    user 80f, \faults
    ldr     x4, [x1]
    user 80f, \faults
    str     x4, [x0], #8
    add     x1, x1, #8
    sub     x2, x2, #8
    b       4b
5:  cbz     x2, 6f
    user 82f, \faults
    ldrb    w4, [x1]
    user 82f, \faults
    strb    w4, [x0], #1
    add     x1, x1, #1
    sub     x2, x2, #1
    b       5b
6:  mov     x0, xzr
    ret
    // Some of these bytes may be good: on byte by byte, to the first that is not.
81: add     x0, x0, #64
    add     x1, x1, #64
80: sub     x2, x3, x1
    b       5b
82: sub     x0, x3, x1
    ret
.endm

    copy_routine copy_user, RESOLVED
    copy_routine copy_user_atomic, REFUSED

// zero_user(x0: to, x1: length) -> bytes not set
.global zero_user
zero_user:
    subs    x1, x1, #64
    b.lo    2f
1:  user 80f, RESOLVED
    stp     xzr, xzr, [x0]
    user 80f, RESOLVED
    stp     xzr, xzr, [x0, #16]
    user 80f, RESOLVED
    stp     xzr, xzr, [x0, #32]
    user 80f, RESOLVED
    stp     xzr, xzr, [x0, #48]
    add     x0, x0, #64
    subs    x1, x1, #64
    b.hs    1b
2:  and     x1, x1, #63
3:  cbz     x1, 4f
    user 81f, RESOLVED
    strb    wzr, [x0], #1
    sub     x1, x1, #1
    b       3b
4:  mov     x0, xzr
    ret
80: add     x1, x1, #64             // byte by byte, to the first that is not good
    b       3b
81: mov     x0, x1
    ret

// user_load_u32(x0: from) -> the value, or all ones
.global user_load_u32
user_load_u32:
    user user_failed, RESOLVED
    ldr     w0, [x0]
    ret

// user_touch_read(x0: address) -> 0, or all ones if it cannot be read
.global user_touch_read
user_touch_read:
    user user_failed, RESOLVED
    ldrb    w0, [x0]
    mov     x0, xzr
    ret

// user_touch_write(x0: address) -> 0, or all ones if it cannot be written. The byte
// is stored as it is, unless another has stored meanwhile.
.global user_touch_write
user_touch_write:
1:  user user_failed, RESOLVED
    ldxrb   w1, [x0]
    user user_failed, RESOLVED
    stxrb   w2, w1, [x0]
    cbnz    w2, 1b
    mov     x0, xzr
    ret

// user_cas_u32(x0: at, w1: old, w2: new) -> what was there, or all ones
.global user_cas_u32
user_cas_u32:
1:  user user_failed, RESOLVED
    ldaxr   w3, [x0]
    cmp     w3, w1
    b.ne    2f
    user user_failed, RESOLVED
    stlxr   w4, w2, [x0]
    cbnz    w4, 1b
2:  clrex
    mov     w0, w3
    ret

user_failed:
    clrex
    mov     x0, #-1
    ret
