//! Terminal modes as SSH sends them (RFC 4254, section 8; RFC 8160).

use paddock_abi::termios::*;

/// The control characters, by opcode from 1 on. VDSUSP, VFLUSH and VSTATUS are
/// not Linux's.
const CHARACTERS: [Option<usize>; 18] = [
    Some(VINTR),
    Some(VQUIT),
    Some(VERASE),
    Some(VKILL),
    Some(VEOF),
    Some(VEOL),
    Some(VEOL2),
    Some(VSTART),
    Some(VSTOP),
    Some(VSUSP),
    None,
    Some(VREPRINT),
    Some(VWERASE),
    Some(VLNEXT),
    None,
    Some(VSWTC),
    None,
    Some(VDISCARD),
];

/// Input flags, by opcode from 30 on.
const INPUT: [u32; 13] = [
    IGNPAR, PARMRK, INPCK, ISTRIP, INLCR, IGNCR, ICRNL, IUCLC, IXON, IXANY, IXOFF, IMAXBEL, IUTF8,
];

/// Local flags, by opcode from 50 on. XCASE is not Paddock's.
const LOCAL: [u32; 12] = [
    ISIG, ICANON, 0, ECHO, ECHOE, ECHOK, ECHONL, NOFLSH, TOSTOP, IEXTEN, ECHOCTL, ECHOKE,
];

/// Output flags, by opcode from 70 on.
const OUTPUT: [u32; 6] = [OPOST, OLCUC, ONLCR, OCRNL, ONOCR, ONLRET];

/// A control character that is switched off.
const DISABLED: u8 = 0;

/// Applies opcodes and their values, in their order. What has no meaning for a
/// pseudo-terminal (speeds, parity) or is unknown changes nothing.
pub fn apply_ssh_modes(termios: &mut Termios, modes: &[(u8, u32)]) {
    for &(opcode, value) in modes {
        let (flags, table, first) = match opcode {
            1..30 => {
                set_character(termios, opcode, value);
                continue;
            }
            30..50 => (&mut termios.c_iflag, &INPUT[..], 30),
            50..70 => (&mut termios.c_lflag, &LOCAL[..], 50),
            70..90 => (&mut termios.c_oflag, &OUTPUT[..], 70),
            _ => continue,
        };
        let bit = table.get(usize::from(opcode) - first).copied();
        match (bit, value) {
            (Some(bit), 0) => *flags &= !bit,
            (Some(bit), _) => *flags |= bit,
            (None, _) => {}
        }
    }
}

fn set_character(termios: &mut Termios, opcode: u8, value: u32) {
    let index = CHARACTERS.get(usize::from(opcode) - 1).copied().flatten();
    if let (Some(index), Ok(value)) = (index, u8::try_from(value)) {
        termios.c_cc[index] = match value {
            u8::MAX => DISABLED,
            value => value,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::default_termios;

    #[test]
    fn each_mode_changes_its_own_bit() {
        let mut termios = default_termios();
        apply_ssh_modes(
            &mut termios,
            &[
                (1, 7),
                (3, 8),
                (4, 255),
                (5, 256),
                (36, 0),
                (42, 1),
                (53, 0),
                (51, 0),
                (72, 0),
                (129, 9600),
                (62, 1),
                (11, 1),
                (255, 1),
                (0, 1),
            ],
        );
        let mut expected = default_termios();
        expected.c_cc[VINTR] = 7;
        expected.c_cc[VERASE] = 8;
        expected.c_cc[VKILL] = DISABLED;
        expected.c_iflag = (expected.c_iflag & !ICRNL) | IUTF8;
        expected.c_lflag &= !(ECHO | ICANON);
        expected.c_oflag &= !ONLCR;
        assert_eq!(termios, expected);
        // Back again.
        apply_ssh_modes(&mut termios, &[(36, 1), (53, 1), (51, 5), (72, 1), (42, 0)]);
        assert_eq!(termios.c_iflag, default_termios().c_iflag);
        assert_eq!(termios.c_lflag, default_termios().c_lflag);
    }

    #[test]
    fn any_modes_end_well() {
        for opcode in 0..=u8::MAX {
            for value in [0, 1, 255, 256, u32::MAX] {
                apply_ssh_modes(&mut default_termios(), &[(opcode, value)]);
            }
        }
    }
}
