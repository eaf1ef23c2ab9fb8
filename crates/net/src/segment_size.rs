//! The segment size that a TCP connection's beginning announces (RFC 9293,
//! 3.7.1), in an IP packet as it is sent.

const TCP: u8 = 6;
const SYN: u8 = 2;
const OPTION_END: u8 = 0;
const OPTION_NOTHING: u8 = 1;
const OPTION_SEGMENT_SIZE: u8 = 2;
/// Bytes of a TCP header before its options.
const HEADER: usize = 20;

/// Lowers the segment size that a packet announces, if it begins a TCP
/// connection, to `limit` bytes. The checksum is left as it is.
pub fn clamp(packet: &mut [u8], limit: u16) {
    let Some(segment) = tcp_segment(packet) else {
        return;
    };
    if segment.get(13).is_none_or(|flags| flags & SYN == 0) {
        return;
    }
    let end = segment
        .get(12)
        .map_or(0, |offset| usize::from(offset >> 4) * 4);
    let Some(mut options) = segment.get_mut(HEADER..end) else {
        return;
    };
    loop {
        let length = match *options {
            [] | [OPTION_END, ..] => return,
            [OPTION_NOTHING, ..] => 1,
            [OPTION_SEGMENT_SIZE, 4, high, low, ..] => {
                let size = u16::from_be_bytes([high, low]).min(limit);
                options[2..4].copy_from_slice(&size.to_be_bytes());
                return;
            }
            [_, length, ..] if length >= 2 => usize::from(length),
            _ => return,
        };
        match options.get_mut(length..) {
            Some(rest) => options = rest,
            None => return,
        }
    }
}

/// The TCP segment in a packet without IPv6 extension headers.
fn tcp_segment(packet: &mut [u8]) -> Option<&mut [u8]> {
    let start = match packet.first()? >> 4 {
        4 if packet.get(9) == Some(&TCP) => usize::from(packet.first()? & 0xf) * 4,
        6 if packet.get(6) == Some(&TCP) => 40,
        _ => return None,
    };
    packet.get_mut(start..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn syn(ip: &[u8], options: &[u8]) -> Vec<u8> {
        let mut packet = ip.to_vec();
        let mut tcp = [0; HEADER];
        tcp[12] = (((HEADER + options.len()) / 4) as u8) << 4;
        tcp[13] = SYN;
        packet.extend_from_slice(&tcp);
        packet.extend_from_slice(options);
        packet
    }

    #[test]
    fn only_what_is_larger_is_lowered() {
        let (mut four, mut six) = ([0; 20], [0; 40]);
        (four[0], four[9], six[0], six[6]) = (0x45, TCP, 0x60, TCP);
        for ip in [&four[..], &six] {
            for (size, expected) in [(65495_u16, 1960_u16), (1960, 1960), (536, 536)] {
                let [high, low] = size.to_be_bytes();
                let mut packet = syn(ip, &[1, 3, 3, 7, 2, 4, high, low]);
                clamp(&mut packet, 1960);
                assert_eq!(packet[packet.len() - 2..], expected.to_be_bytes());
            }
        }
    }

    #[test]
    fn no_packet_is_out_of_bounds() {
        let mut ip = [0; 20];
        (ip[0], ip[9]) = (0x45, TCP);
        let whole = syn(&ip, &[1, 2, 4, 0xff, 0xff, 5, 200, 0]);
        for end in 0..whole.len() {
            clamp(&mut whole[..end].to_vec(), 1960);
        }
        for byte in 0..whole.len() {
            for value in 0..=255 {
                let mut packet = whole.clone();
                packet[byte] = value;
                clamp(&mut packet, 1960);
            }
        }
    }
}
