// The shared object that every program finds in its memory (vdso(7)), copied to a
// page of its own behind a page of data (`time::UserClock`). It is linked by hand: all that a
// dynamic linker looks at is here, with offsets from the page's beginning.
//
// Names and version are those of arm64's. Clocks that need no more than the
// counter are read here; for all others the functions make the system call.

.section .rodata.vdso, "a"
.balign 16
.global __vdso_start
__vdso_start:

// The ELF header.
    .byte   0x7f, 'E', 'L', 'F', 2, 1, 1, 0     // 64 bits, little endian
    .quad   0
    .hword  3, 183                      // ET_DYN, EM_AARCH64
    .word   1
    .quad   0                           // no entry
    .quad   vdso_segments - __vdso_start
    .quad   0                           // no sections
    .word   0
    .hword  64, 56, 3, 64, 0, 0

vdso_segments:
    .word   1, 5                        // PT_LOAD, readable and executable
    .quad   0, 0, 0
    .quad   __vdso_end - __vdso_start, __vdso_end - __vdso_start
    .quad   4096
    .word   2, 4                        // PT_DYNAMIC, readable
    .quad   vdso_dynamic - __vdso_start, vdso_dynamic - __vdso_start, vdso_dynamic - __vdso_start
    .quad   vdso_dynamic_end - vdso_dynamic, vdso_dynamic_end - vdso_dynamic
    .quad   8
    .word   0x6474e551, 4               // PT_GNU_STACK: not executable
    .quad   0, 0, 0, 0, 0, 16

.balign 8
vdso_dynamic:
    .quad   14, vdso_soname - vdso_names        // DT_SONAME
    .quad   4, vdso_hash - __vdso_start         // DT_HASH
    .quad   5, vdso_names - __vdso_start        // DT_STRTAB
    .quad   10, vdso_names_end - vdso_names     // DT_STRSZ
    .quad   6, vdso_symbols - __vdso_start      // DT_SYMTAB
    .quad   11, 24                              // DT_SYMENT
    .quad   0x6ffffff0, vdso_versions - __vdso_start    // DT_VERSYM
    .quad   0x6ffffffc, vdso_version - __vdso_start     // DT_VERDEF
    .quad   0x6ffffffd, 2                       // DT_VERDEFNUM
    .quad   0, 0
vdso_dynamic_end:

// A hash table of one bucket: each symbol names the one after it.
vdso_hash:
    .word   1, 6                        // buckets, symbols
    .word   1
    .word   0, 2, 3, 4, 5, 0

.balign 8
.macro vdso_symbol name, kind, section, value, size
    .word   \name - vdso_names
    .byte   \kind, 0
    .hword  \section
    .quad   \value, \size
.endm
// Global functions in a section that is not there: any number but 0 will do.
vdso_symbols:
    .zero   24
    vdso_symbol vdso_name_gettime, 0x12, 1, vdso_clock_gettime - __vdso_start, vdso_clock_gettime_end - vdso_clock_gettime
    vdso_symbol vdso_name_timeofday, 0x12, 1, vdso_gettimeofday - __vdso_start, vdso_gettimeofday_end - vdso_gettimeofday
    vdso_symbol vdso_name_getres, 0x12, 1, vdso_clock_getres - __vdso_start, vdso_clock_getres_end - vdso_clock_getres
    vdso_symbol vdso_name_sigreturn, 0x12, 1, __vdso_sigreturn - __vdso_start, vdso_sigreturn_end - __vdso_sigreturn
    vdso_symbol vdso_name_version, 0x11, 0xfff1, 0, 0

// Which version each symbol is of: of the second, and the first is the object.
vdso_versions:
    .hword  0, 2, 2, 2, 2, 2

.balign 8
// Hashes are those of the System V ABI over the names.
vdso_version:
    .hword  1, 1, 1, 1                  // the object itself (VER_FLG_BASE)
    .word   0x0deebfa1, 20, 28
    .word   vdso_soname - vdso_names, 0
    .hword  1, 0, 2, 1
    .word   0x075fcb89, 20, 0
    .word   vdso_name_version - vdso_names, 0

vdso_names:
    .byte   0
vdso_soname:
    .asciz  "linux-vdso.so.1"
vdso_name_version:
    .asciz  "LINUX_2.6.39"
vdso_name_gettime:
    .asciz  "__kernel_clock_gettime"
vdso_name_timeofday:
    .asciz  "__kernel_gettimeofday"
vdso_name_getres:
    .asciz  "__kernel_clock_getres"
vdso_name_sigreturn:
    .asciz  "__kernel_rt_sigreturn"
vdso_names_end:

// x10: nanoseconds since boot, as the kernel counts them; x9: the data. Changes
// x11 to x13.
.macro vdso_read_clock
    adr     x9, __vdso_start - 4096
    ldp     x11, x12, [x9]              // the counter at boot, ns a count << 32
    isb
    mrs     x10, cntpct_el0
    subs    x10, x10, x11
    csel    x10, x10, xzr, hs
    mul     x11, x10, x12
    umulh   x12, x10, x12
    extr    x10, x12, x11, #32
.endm

// x10: nanoseconds since 1970 (`paddock_clock::Shared`, 16 bytes into the data: its
// number, since when, the wall's time then, what it gains). Changes x9, x11, x12, and
// x14 to x17.
.macro vdso_read_wall
    adr     x9, __vdso_start - 4096 + 16
8:  ldar    x14, [x9]
    tbnz    x14, #0, 8b                 // it is being written
    ldp     x11, x12, [x9, #-16]        // the counter at boot, ns a count << 32
    isb
    mrs     x10, cntpct_el0
    ldp     x15, x16, [x9, #8]
    ldr     x17, [x9, #24]
    dmb     ishld
    ldr     x9, [x9]
    cmp     x9, x14
    adr     x9, __vdso_start - 4096 + 16
    b.ne    8b
    subs    x10, x10, x11
    csel    x10, x10, xzr, hs
    mul     x11, x10, x12
    umulh   x12, x10, x12
    extr    x10, x12, x11, #32          // since boot
    subs    x10, x10, x15
    csel    x10, x10, xzr, hs           // since then
    mul     x11, x10, x17
    smulh   x12, x10, x17
    extr    x11, x12, x11, #32          // gained
    add     x10, x10, x16
    add     x10, x10, x11
.endm

// x11: 10^9, the nanoseconds of a second.
.macro vdso_second
    mov     w11, #0xca00
    movk    w11, #0x3b9a, lsl #16
.endm

// Goes to \other unless w0 is REALTIME (0), MONOTONIC (1) or, from 4 to 7,
// MONOTONIC_RAW, REALTIME_COARSE, MONOTONIC_COARSE or BOOTTIME; w13 is its bit.
.macro vdso_known_clock other
    cmp     w0, #7
    b.hi    \other
    mov     w13, #1
    lsl     w13, w13, w0
    mov     w14, #0xf3
    tst     w13, w14
    b.eq    \other
.endm

.balign 16
// clock_gettime(2): w0 the clock, x1 where to.
vdso_clock_gettime:
    vdso_known_clock 2f
    mov     w14, #0x21                  // the two of the wall
    tst     w13, w14
    b.eq    3f
    vdso_read_wall
    b       1f
3:  vdso_read_clock
1:  vdso_second
    udiv    x12, x10, x11
    msub    x10, x12, x11, x10
    stp     x12, x10, [x1]
    mov     w0, #0
    ret
2:  mov     x8, #113
    svc     #0
    ret
vdso_clock_gettime_end:

.balign 16
// gettimeofday(2): x0 where to, x1 where a time zone is to go.
vdso_gettimeofday:
    cbz     x0, 1f
    cbnz    x1, 1f
    vdso_read_wall
    vdso_second
    udiv    x12, x10, x11
    msub    x10, x12, x11, x10
    mov     w11, #1000
    udiv    x10, x10, x11
    stp     x12, x10, [x0]
    mov     w0, #0
    ret
1:  mov     x8, #169
    svc     #0
    ret
vdso_gettimeofday_end:

.balign 16
// clock_getres(2): w0 the clock, x1 where to.
vdso_clock_getres:
    vdso_known_clock 2f
    cbz     x1, 1f
    mov     x12, #1
    stp     xzr, x12, [x1]
1:  mov     w0, #0
    ret
2:  mov     x8, #114
    svc     #0
    ret
vdso_clock_getres_end:

// Where a signal handler returns to. An unwinder knows it by these two
// instructions, and looks at the one before it.
    nop
.balign 16
    nop
.global __vdso_sigreturn
__vdso_sigreturn:
    mov     x8, #139
    svc     #0
vdso_sigreturn_end:

.global __vdso_end
__vdso_end:
