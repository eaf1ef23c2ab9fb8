// memcpy, memmove and memset, which the compiler calls for whatever it moves and
// clears: 128 bytes a turn, and for zeroes the cache lines as wholes (DC ZVA).
// General registers only: the vector ones are a user program's. The memory must
// be Normal, as all of the direct map and the image is: accesses are not aligned.

// 64 bytes at \at from the source in x1 to the target in x3. Uses x4 to x11.
.macro copy_64 at
    ldp     x4, x5, [x1, #\at]
    ldp     x6, x7, [x1, #\at + 16]
    ldp     x8, x9, [x1, #\at + 32]
    ldp     x10, x11, [x1, #\at + 48]
    stp     x4, x5, [x3, #\at]
    stp     x6, x7, [x3, #\at + 16]
    stp     x8, x9, [x3, #\at + 32]
    stp     x10, x11, [x3, #\at + 48]
.endm

// memcpy(x0: to, x1: from, x2: length) -> x0
.global memcpy
memcpy:
    mov     x3, x0
copy_forwards:
    subs    x2, x2, #128
    b.lo    2f
1:  copy_64 0
    copy_64 64
    add     x1, x1, #128
    add     x3, x3, #128
    subs    x2, x2, #128
    b.hs    1b
    // The low seven bits of what is left are as they were.
2:  tbz     x2, #6, 3f
    copy_64 0
    add     x1, x1, #64
    add     x3, x3, #64
3:  tbz     x2, #5, 4f
    ldp     x4, x5, [x1]
    ldp     x6, x7, [x1, #16]
    stp     x4, x5, [x3]
    stp     x6, x7, [x3, #16]
    add     x1, x1, #32
    add     x3, x3, #32
4:  tbz     x2, #4, 5f
    ldp     x4, x5, [x1], #16
    stp     x4, x5, [x3], #16
5:  tbz     x2, #3, 6f
    ldr     x4, [x1], #8
    str     x4, [x3], #8
6:  tbz     x2, #2, 7f
    ldr     w4, [x1], #4
    str     w4, [x3], #4
7:  tbz     x2, #1, 8f
    ldrh    w4, [x1], #2
    strh    w4, [x3], #2
8:  tbz     x2, #0, 9f
    ldrb    w4, [x1]
    strb    w4, [x3]
9:  ret

// memmove(x0: to, x1: from, x2: length) -> x0
.global memmove
memmove:
    mov     x3, x0
    sub     x4, x0, x1
    cmp     x4, x2
    b.hs    copy_forwards           // the target does not begin within the source
    add     x1, x1, x2
    add     x3, x3, x2
    tbz     x2, #0, 1f
    ldrb    w4, [x1, #-1]!
    strb    w4, [x3, #-1]!
1:  tbz     x2, #1, 2f
    ldrh    w4, [x1, #-2]!
    strh    w4, [x3, #-2]!
2:  tbz     x2, #2, 3f
    ldr     w4, [x1, #-4]!
    str     w4, [x3, #-4]!
3:  tbz     x2, #3, 4f
    ldr     x4, [x1, #-8]!
    str     x4, [x3, #-8]!
4:  tbz     x2, #4, 5f
    ldp     x4, x5, [x1, #-16]!
    stp     x4, x5, [x3, #-16]!
5:  lsr     x2, x2, #5
    cbz     x2, 7f
6:  ldp     x4, x5, [x1, #-16]
    ldp     x6, x7, [x1, #-32]!
    stp     x4, x5, [x3, #-16]
    stp     x6, x7, [x3, #-32]!
    subs    x2, x2, #1
    b.ne    6b
7:  ret

// memset(x0: to, w1: byte, x2: length) -> x0
.global memset
memset:
    mov     x3, x0
    and     x1, x1, #0xff
    orr     x1, x1, x1, lsl #8
    orr     x1, x1, x1, lsl #16
    orr     x1, x1, x1, lsl #32
    cbnz    x1, 2f
    cmp     x2, #256
    b.lo    2f
    mrs     x4, dczid_el0
    and     x4, x4, #31
    cmp     x4, #4                  // allowed, and 64 bytes at a time
    b.ne    2f
    // Up to a multiple of 64, whole ones from there on.
    stp     xzr, xzr, [x3]
    stp     xzr, xzr, [x3, #16]
    stp     xzr, xzr, [x3, #32]
    stp     xzr, xzr, [x3, #48]
    neg     x4, x3
    and     x4, x4, #63
    add     x3, x3, x4
    sub     x2, x2, x4
    sub     x2, x2, #64
1:  dc      zva, x3
    add     x3, x3, #64
    subs    x2, x2, #64
    b.hs    1b
    add     x2, x2, #64             // what is left
2:  subs    x2, x2, #64
    b.lo    4f
3:  stp     x1, x1, [x3]
    stp     x1, x1, [x3, #16]
    stp     x1, x1, [x3, #32]
    stp     x1, x1, [x3, #48]
    add     x3, x3, #64
    subs    x2, x2, #64
    b.hs    3b
4:  tbz     x2, #5, 5f
    stp     x1, x1, [x3], #16
    stp     x1, x1, [x3], #16
5:  tbz     x2, #4, 6f
    stp     x1, x1, [x3], #16
6:  tbz     x2, #3, 7f
    str     x1, [x3], #8
7:  tbz     x2, #2, 8f
    str     w1, [x3], #4
8:  tbz     x2, #1, 9f
    strh    w1, [x3], #2
9:  tbz     x2, #0, 10f
    strb    w1, [x3]
10: ret
