//! Numbers in blocks. Out of range reads zero and writes nothing: offsets are
//! checked where they come from the disk.

macro_rules! accessors {
    ($($get:ident $put:ident $type:ty, $from:ident $to:ident;)*) => {
        $(
            pub fn $get(bytes: &[u8], at: usize) -> $type {
                const LEN: usize = size_of::<$type>();
                let field = bytes.get(at..at + LEN).and_then(|field| field.try_into().ok());
                field.map_or(0, <$type>::$from)
            }

            pub fn $put(bytes: &mut [u8], at: usize, value: $type) {
                const LEN: usize = size_of::<$type>();
                if let Some(field) = bytes.get_mut(at..at + LEN) {
                    field.copy_from_slice(&value.$to());
                }
            }
        )*
    };
}

accessors! {
    get_u16 put_u16 u16, from_le_bytes to_le_bytes;
    get_u32 put_u32 u32, from_le_bytes to_le_bytes;
    get_be32 put_be32 u32, from_be_bytes to_be_bytes;
    get_be16 put_be16 u16, from_be_bytes to_be_bytes;
}

/// A 64-bit number in two halves.
pub fn get_split(bytes: &[u8], low: usize, high: usize) -> u64 {
    u64::from(get_u32(bytes, low)) | u64::from(get_u32(bytes, high)) << 32
}
