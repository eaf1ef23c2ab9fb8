//! The PL011 UART (Arm DDI 0183G). The firmware or machine has set the baud
//! rate; everything else is written here.

use crate::machine::Device;
use crate::mmio::Mmio;

const DR: usize = 0x00;
const FR: usize = 0x18;
const LCR_H: usize = 0x2c;
const CR: usize = 0x30;
const IFLS: usize = 0x34;
const IMSC: usize = 0x38;
const MIS: usize = 0x40;
const ICR: usize = 0x44;

const FR_RXFE: u32 = 1 << 4;
const FR_TXFF: u32 = 1 << 5;

const INT_RX: u32 = 1 << 4;
const INT_TX: u32 = 1 << 5;
const INT_RX_TIMEOUT: u32 = 1 << 6;

/// Error flags of a received character: framing, parity, break.
const DR_BAD: u32 = 7 << 8;

/// How often the transmitter is asked for room before a byte is given up:
/// seconds, for a UART whose other end holds it up.
const PATIENCE: u32 = 10_000_000;

/// A PL011.
#[derive(Clone, Copy, Debug)]
pub struct Uart {
    registers: Mmio,
}

impl Uart {
    /// Maps the registers and sets them: 8 bits, FIFOs, both directions,
    /// interrupts masked.
    pub fn new(device: &Device) -> Option<Self> {
        let registers = Mmio::map(device.registers)?;
        registers.write32(IMSC, 0);
        registers.write32(ICR, 0x7ff);
        registers.write32(LCR_H, 3 << 5 | 1 << 4);
        // Transmit interrupt when 1/8 full, receive when 1/2 full.
        registers.write32(IFLS, 2 << 3);
        registers.write32(CR, 1 << 9 | 1 << 8 | 1);
        Some(Uart { registers })
    }

    /// Hands over a byte if there is room.
    pub fn try_send(&self, byte: u8) -> bool {
        let room = self.registers.read32(FR) & FR_TXFF == 0;
        if room {
            self.registers.write32(DR, u32::from(byte));
        }
        room
    }

    /// Hands over a byte, polling for room; for the early boot and panics.
    pub fn send_polled(&self, byte: u8) {
        for _ in 0..PATIENCE {
            if self.try_send(byte) {
                return;
            }
        }
    }

    /// The next byte that has arrived. Characters received with errors are
    /// left out.
    pub fn receive(&self) -> Option<u8> {
        while self.registers.read32(FR) & FR_RXFE == 0 {
            let data = self.registers.read32(DR);
            if data & DR_BAD == 0 {
                return Some(data as u8);
            }
        }
        None
    }

    /// Turns the receive interrupts on, and the transmit interrupt as told.
    pub fn set_interrupts(&self, transmit: bool) {
        let transmit = if transmit { INT_TX } else { 0 };
        self.registers
            .write32(IMSC, INT_RX | INT_RX_TIMEOUT | transmit);
    }

    /// Acknowledges what is pending: (received, room to transmit).
    pub fn take_interrupts(&self) -> (bool, bool) {
        let status = self.registers.read32(MIS);
        self.registers.write32(ICR, status);
        (
            status & (INT_RX | INT_RX_TIMEOUT) != 0,
            status & INT_TX != 0,
        )
    }
}
