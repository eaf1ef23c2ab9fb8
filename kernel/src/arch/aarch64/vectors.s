// Exception vectors (Arm ARM D1.10.2) and the way in and out of the kernel.
// TrapFrame: x0-x30, sp_el0, elr, spsr, esr, far (see trap.rs).

.equ FRAME_SIZE, 288
.equ STACK_SHIFT, 17                // stacks begin at multiples of 2^18

.macro save_registers
    stp     x0, x1, [sp, #0]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
.endm

.macro save_frame
    save_registers
    mrs     x21, sp_el0
    stp     x30, x21, [sp, #240]
    mrs     x22, elr_el1
    mrs     x23, spsr_el1
    stp     x22, x23, [sp, #256]
    mrs     x24, esr_el1
    mrs     x25, far_el1
    stp     x24, x25, [sp, #272]
.endm

// Puts the end of a stretch in user mode on the running thread's time there
// (paddock_sched::CpuTime). Uses x9 to x11; leaves the thread in x9.
.macro charge_user_time
    mrs     x9, tpidr_el1
    mrs     x10, cntpct_el0
    ldr     x11, [x9, #THREAD_USER_TIME]
    add     x11, x11, x10
    str     x11, [x9, #THREAD_USER_TIME]
.endm

// Takes the beginning of one off. The thread is in x9; uses x10 and x11.
.macro begin_user_time
    mrs     x10, cntpct_el0
    ldr     x11, [x9, #THREAD_USER_TIME]
    sub     x11, x11, x10
    str     x11, [x9, #THREAD_USER_TIME]
.endm

.macro restore_frame
    ldp     x21, x22, [sp, #256]
    msr     elr_el1, x21
    msr     spsr_el1, x22
    ldp     x30, x21, [sp, #240]
    msr     sp_el0, x21
    ldp     x0, x1, [sp, #0]
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldp     x18, x19, [sp, #144]
    ldp     x20, x21, [sp, #160]
    ldp     x22, x23, [sp, #176]
    ldp     x24, x25, [sp, #192]
    ldp     x26, x27, [sp, #208]
    ldp     x28, x29, [sp, #224]
    add     sp, sp, #FRAME_SIZE
.endm

// An exception taken in the kernel: the stack may have overflown. Bit 15 of a
// good stack pointer is clear.
.macro kernel_entry_to target
    .balign 128
    sub     sp, sp, #FRAME_SIZE
    add     sp, sp, x0              // sp' = sp + x0
    sub     x0, sp, x0              // x0' = sp
    tbnz    x0, #STACK_SHIFT, 1f
    sub     x0, sp, x0              // x0 = x0 again
    sub     sp, sp, x0
    b       \target
1:  msr     tpidrro_el0, x0         // the bad stack pointer
    b       stack_overflow
.endm

.macro user_entry_to target
    .balign 128
    sub     sp, sp, #FRAME_SIZE
    b       \target
.endm

.macro bad_entry kind
    .balign 128
    sub     sp, sp, #FRAME_SIZE
    stp     x0, x1, [sp, #0]
    mov     x0, #\kind
    b       bad_exception
.endm

.section .text.vectors, "ax"
.balign 2048
.global exception_vectors
exception_vectors:
    bad_entry 0                     // current EL with SP_EL0
    bad_entry 1
    bad_entry 2
    bad_entry 3
    kernel_entry_to kernel_sync     // current EL with SP_ELx
    kernel_entry_to kernel_irq
    kernel_entry_to kernel_fiq
    kernel_entry_to kernel_serror
    user_entry_to user_sync         // lower EL, AArch64
    user_entry_to user_irq
    user_entry_to user_irq          // FIQ: as an interrupt
    user_entry_to user_serror
    bad_entry 12                    // lower EL, AArch32
    bad_entry 13
    bad_entry 14
    bad_entry 15

// x29 and x30 of the frame are the record that back-traces go on from.
kernel_sync:
    save_frame
    add     x29, sp, #232
    mov     x0, sp
    bl      trap_kernel_sync
.global return_from_sync
return_from_sync:
    b       return_to_kernel
kernel_irq:
    save_frame
    add     x29, sp, #232
    mov     x0, sp
    bl      trap_kernel_irq
.global return_to_kernel
return_to_kernel:
    msr     daifset, #3
    restore_frame
    eret
kernel_fiq:
    save_frame
    add     x29, sp, #232
    mov     x0, sp
    bl      trap_kernel_fiq
.global return_from_fiq
return_from_fiq:
    b       return_to_kernel
kernel_serror:
    save_frame
    mov     x0, sp
    bl      trap_serror
    b       return_to_kernel

// A system call's own way keeps the program's x19 to x28 in their registers:
// what is called preserves them. Whoever needs or changes all registers asks
// for the long way back (`finish_user`).
user_sync:
    save_registers
    mrs     x12, sp_el0
    stp     x30, x12, [sp, #240]
    mrs     x12, elr_el1
    mrs     x13, spsr_el1
    stp     x12, x13, [sp, #256]
    mrs     x12, esr_el1
    charge_user_time
    mov     x29, xzr
    mov     x0, sp
    lsr     x13, x12, #26
    cmp     x13, #SYSTEM_CALL_CLASS
    b.ne    user_fault
    mov     x1, x9
    str     x12, [sp, #272]
    msr     daifclr, #3
    bl      trap_system_call
    msr     daifset, #3
    mrs     x9, tpidr_el1
    ldrb    w10, [x9, #THREAD_NEED_RESCHED]
    ldrb    w11, [x9, #THREAD_WORK]
    orr     w10, w10, w11
    cbnz    w10, 1f
.if FUZZ_SCHEDULES
    b       1f
.endif
    begin_user_time
    ldp     x10, x11, [sp, #256]
    msr     elr_el1, x10
    msr     spsr_el1, x11
    ldp     x30, x10, [sp, #240]
    msr     sp_el0, x10
    ldr     x1, [sp, #8]
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldr     x18, [sp, #144]
    ldr     x29, [sp, #232]
    add     sp, sp, #FRAME_SIZE
    eret
1:  str     x0, [sp, #0]
    mov     x0, sp
    bl      trap_finish_user
    b       return_to_user
user_fault:
    mrs     x13, far_el1
    stp     x12, x13, [sp, #272]
    bl      trap_user_fault
    b       return_to_user
user_irq:
    save_frame
    charge_user_time
    mov     x29, xzr
    mov     x0, sp
    bl      trap_user_irq
    b       return_to_user
user_serror:
    save_frame
    charge_user_time
    mov     x29, xzr
    mov     x0, sp
    bl      trap_serror
.global return_to_user
return_to_user:
    msr     daifset, #3
    mrs     x9, tpidr_el1
    begin_user_time
    restore_frame
    eret

stack_overflow:
    // The frame goes to this CPU's emergency stack.
    mrs     x0, tpidr_el1
    ldr     x0, [x0, #THREAD_EMERGENCY_STACK]
    mov     sp, x0
    sub     sp, sp, #FRAME_SIZE
    save_frame
    mrs     x1, tpidrro_el0
    mov     x0, sp
    bl      trap_stack_overflow
    b       .

bad_exception:
    mrs     x1, esr_el1
    mrs     x2, elr_el1
    mrs     x3, far_el1
    bl      trap_bad_exception
    b       .

// switch_context(save_sp: *mut usize, load_sp: usize): saves the callee-saved
// registers of the running thread on its stack and continues the other.
.global switch_context
switch_context:
    stp     x29, x30, [sp, #-96]!
    stp     x19, x20, [sp, #16]
    stp     x21, x22, [sp, #32]
    stp     x23, x24, [sp, #48]
    stp     x25, x26, [sp, #64]
    stp     x27, x28, [sp, #80]
    mov     x9, sp
    str     x9, [x0]
    mov     sp, x1
    ldp     x19, x20, [sp, #16]
    ldp     x21, x22, [sp, #32]
    ldp     x23, x24, [sp, #48]
    ldp     x25, x26, [sp, #64]
    ldp     x27, x28, [sp, #80]
    ldp     x29, x30, [sp], #96
    ret

// The first thing a new thread runs: x19 = entry, x20 = argument.
.global thread_trampoline
thread_trampoline:
    mov     x29, xzr
    mov     x30, xzr
    mov     x0, x19
    mov     x1, x20
    bl      thread_begin
    b       .

// fp_save(area: *mut FpState) / fp_load(area: *const FpState)
.arch_extension fp
.arch_extension simd
.global fp_save
fp_save:
    stp     q0, q1, [x0, #0]
    stp     q2, q3, [x0, #32]
    stp     q4, q5, [x0, #64]
    stp     q6, q7, [x0, #96]
    stp     q8, q9, [x0, #128]
    stp     q10, q11, [x0, #160]
    stp     q12, q13, [x0, #192]
    stp     q14, q15, [x0, #224]
    stp     q16, q17, [x0, #256]
    stp     q18, q19, [x0, #288]
    stp     q20, q21, [x0, #320]
    stp     q22, q23, [x0, #352]
    stp     q24, q25, [x0, #384]
    stp     q26, q27, [x0, #416]
    stp     q28, q29, [x0, #448]
    stp     q30, q31, [x0, #480]
    mrs     x1, fpsr
    mrs     x2, fpcr
    str     w1, [x0, #512]
    str     w2, [x0, #516]
    ret
.global fp_load
fp_load:
    ldp     q0, q1, [x0, #0]
    ldp     q2, q3, [x0, #32]
    ldp     q4, q5, [x0, #64]
    ldp     q6, q7, [x0, #96]
    ldp     q8, q9, [x0, #128]
    ldp     q10, q11, [x0, #160]
    ldp     q12, q13, [x0, #192]
    ldp     q14, q15, [x0, #224]
    ldp     q16, q17, [x0, #256]
    ldp     q18, q19, [x0, #288]
    ldp     q20, q21, [x0, #320]
    ldp     q22, q23, [x0, #352]
    ldp     q24, q25, [x0, #384]
    ldp     q26, q27, [x0, #416]
    ldp     q28, q29, [x0, #448]
    ldp     q30, q31, [x0, #480]
    ldr     w1, [x0, #512]
    ldr     w2, [x0, #516]
    msr     fpsr, x1
    msr     fpcr, x2
    ret
