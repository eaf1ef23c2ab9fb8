// Entry from the boot loader: MMU off, x0 = physical address of the device
// tree (Linux's arm64 boot protocol), or nothing of use for a bare ELF load.
//
// The early tables map two things, both through one level-0 table that serves
// TTBR0 (identity) and TTBR1 (direct map): the gigabytes that hold the kernel
// and the device tree; and the kernel's link address. The memory manager
// replaces them before any other memory is touched.

.equ IMAGE_MAGIC, 0x644d5241
.equ TEXT_OFFSET, 0x80000         // as kernel.ld links it
.equ BLOCK_NORMAL, 0x701          // block, AttrIndx 0, inner shareable, AF
.equ TABLE, 0x3
.equ FDT_MAGIC_LE, 0xedfe0dd0

.section .head.text, "ax"
.global _start
_start:
    b       1f
    nop
    .quad   TEXT_OFFSET             // above a boundary of 2 MiB
    .quad   __image_size
    .quad   0xa                     // little endian, 4K pages, anywhere
    .quad   0
    .quad   0
    .quad   0
    .long   IMAGE_MAGIC
    .long   0
1:
    msr     daifset, #0xf
    mov     x19, x0
    mov     x21, xzr                // not a secondary CPU
    bl      enter_el1
    bl      find_fdt

    // Clear .bss.
    adrp    x0, __bss_start
    adrp    x1, __bss_end
2:  cmp     x0, x1
    b.hs    3f
    stp     xzr, xzr, [x0], #16
    b       2b
3:
    bl      build_early_tables
    bl      enable_mmu
    ldr     x8, =primary_high
    br      x8

primary_high:
    ldr     x8, =__boot_stack_top
    mov     sp, x8
    mov     x29, xzr
    mov     x30, xzr
    mov     x0, x19                 // physical address of the device tree
    mov     x1, x20                 // physical address of the image
    bl      kernel_entry
    b       .

// Secondary CPUs start here, MMU off, x0 = physical address of a block
// { ttbr1, stack top (virtual), argument }.
.global secondary_start
secondary_start:
    msr     daifset, #0xf
    mov     x19, x0
    bl      enter_el1
    bl      enable_mmu
    ldr     x8, =secondary_high
    br      x8
secondary_high:
    movz    x9, #0xffff, lsl #48
    orr     x19, x19, x9            // the block through the direct map
    ldr     x1, [x19]
    msr     ttbr1_el1, x1
    isb
    tlbi    vmalle1
    dsb     ish
    isb
    ldp     x8, x0, [x19, #8]
    mov     sp, x8
    mov     x29, xzr
    mov     x30, xzr
    bl      secondary_entry
    b       .

// Leaves EL2 if the loader entered there, and sets every EL1 register that
// the kernel relies on. Clobbers x0.
enter_el1:
    mrs     x0, CurrentEL
    cmp     x0, #(2 << 2)
    b.ne    1f
    mov     x0, #(1 << 31)          // EL1 is AArch64
    msr     hcr_el2, x0
    mov     x0, #3                  // EL1 may use the physical timer
    msr     cnthctl_el2, x0
    msr     cntvoff_el2, xzr
    mov     x0, #0x33ff
    msr     cptr_el2, x0            // no traps of floating point
    msr     hstr_el2, xzr
    mrs     x0, midr_el1
    msr     vpidr_el2, x0
    mrs     x0, mpidr_el1
    msr     vmpidr_el2, x0
    mrs     x0, id_aa64pfr0_el1
    ubfx    x0, x0, #24, #4
    cbz     x0, 2f
    mrs     x0, s3_4_c12_c9_5       // ICC_SRE_EL2
    orr     x0, x0, #1
    orr     x0, x0, #8
    msr     s3_4_c12_c9_5, x0
    isb
2:  mov     x0, #0x3c5              // EL1h, all masked
    msr     spsr_el2, x0
    msr     elr_el2, x30
    ldr     x0, =0x30d00800
    msr     sctlr_el1, x0
    eret
1:
    ldr     x0, =0x30d00800
    msr     sctlr_el1, x0
    isb
    ret

// x19 = physical address of the device tree. A bare ELF load passes none;
// QEMU then leaves it at the start of RAM, below the kernel.
find_fdt:
    ldr     w2, =FDT_MAGIC_LE
    cbz     x19, 1f
    tst     x19, #7
    b.ne    1f
    ldr     w1, [x19]
    cmp     w1, w2
    b.eq    9f
1:  adrp    x0, __image_start
    mov     x3, #64                 // look at 128 MiB, in steps of 2 MiB
    bic     x0, x0, #0x1fffff
2:  ldr     w1, [x0]
    cmp     w1, w2
    b.eq    8f
    sub     x0, x0, #0x200000
    sub     x3, x3, #1
    cbnz    x3, 2b
    mov     x0, xzr
8:  mov     x19, x0
9:  ret

// Clobbers x0-x7; leaves the image's physical address in x20.
build_early_tables:
    adrp    x20, __image_start
    adrp    x0, early_l0
    // The tables are not in .bss: clear all four.
    mov     x1, #(4 * 4096 / 16)
    mov     x2, x0
1:  stp     xzr, xzr, [x2], #16
    subs    x1, x1, #1
    b.ne    1b
    add     x1, x0, #4096           // level 1: low (identity and direct map)
    add     x2, x0, #8192           // level 1: kernel image
    add     x3, x0, #12288          // level 2: kernel image
    orr     x4, x1, #TABLE
    str     x4, [x0]
    orr     x4, x2, #TABLE
    str     x4, [x0, #(511 * 8)]
    orr     x4, x3, #TABLE
    str     x4, [x2, #(510 * 8)]
    // Gigabytes of the image's first and last byte, and of the device tree.
    mov     x5, #BLOCK_NORMAL
    lsr     x4, x20, #30
    lsl     x6, x4, #30
    orr     x6, x6, x5
    str     x6, [x1, x4, lsl #3]
    adrp    x4, __image_end
    lsr     x4, x4, #30
    lsl     x6, x4, #30
    orr     x6, x6, x5
    str     x6, [x1, x4, lsl #3]
    cbz     x19, 2f
    lsr     x4, x19, #30
    lsl     x6, x4, #30
    orr     x6, x6, x5
    str     x6, [x1, x4, lsl #3]
    add     x4, x19, #0x200000
    lsr     x4, x4, #30
    lsl     x6, x4, #30
    orr     x6, x6, x5
    str     x6, [x1, x4, lsl #3]
2:  // The image, in blocks of 2 MiB from index 1: the link address is as far
    // above such a block as the physical one.
    add     x3, x3, #8
    bic     x4, x20, #0x1fffff
    adrp    x6, __image_end
3:  orr     x7, x4, x5
    str     x7, [x3], #8
    add     x4, x4, #0x200000
    cmp     x4, x6
    b.lo    3b
    dsb     ish
    ret

// Both halves through the early tables. Clobbers x0.
enable_mmu:
    mov     x0, #0x00ff             // index 0: normal write-back; 1: 0x00
    msr     mair_el1, x0
    // T0SZ = T1SZ = 16, 4K granules, inner shareable write-back walks,
    // 16-bit ASIDs if there are any.
    ldr     x0, =0x00000000b5103510
    mrs     x1, id_aa64mmfr0_el1
    and     x2, x1, #0xf
    cmp     x2, #5                  // at most 48 bits of physical address
    b.ls    1f
    mov     x2, #5
1:  orr     x0, x0, x2, lsl #32
    ubfx    x1, x1, #4, #4
    cmp     x1, #2
    b.ne    2f
    orr     x0, x0, #(1 << 36)      // AS: 16-bit ASIDs
2:  msr     tcr_el1, x0
    adrp    x0, early_l0
    msr     ttbr0_el1, x0
    msr     ttbr1_el1, x0
    tlbi    vmalle1
    ic      iallu
    dsb     nsh
    isb
    mov     x0, #(3 << 20)          // CPACR: no traps of floating point
    msr     cpacr_el1, x0
    msr     mdscr_el1, xzr
    mov     x0, #3                  // EL0 may read both counters
    msr     cntkctl_el1, x0
    ldr     x0, =SCTLR_ON
    msr     sctlr_el1, x0
    isb
    ret

// M, C, I, SA, SA0, nTLSMD, LSMAOE, EOS, EIS, UCT, DZE, UCI; WXN off
// (a user may ask for writable and executable pages).
.equ SCTLR_ON, 0x30d00800 | (1 << 0) | (1 << 2) | (1 << 3) | (1 << 4) | (1 << 12) | (1 << 14) | (1 << 15) | (1 << 26)

.ltorg

.section .boot_tables, "aw", %nobits
.balign 4096
early_l0:
    .space 4 * 4096
