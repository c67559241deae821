//! Makes hostile files: archives whose parts contradict each other, pickles, footers, images. No payload runs
//! anything: the names that pickles import are of harmless callables, and nobody imports them.

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use std::io::Write;

/// `os.getcwd()` in protocol 4.
pub const PICKLE: &[u8] = b"\x80\x04\x8c\x02os\x8c\x06getcwd\x93)R.";

/// A call of `module.name()` in a protocol.
pub fn call(protocol: u8, module: &str, name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    if protocol >= 2 {
        out.extend([0x80, protocol]);
    }
    if protocol >= 4 {
        for part in [module, name] {
            out.extend([0x8c, part.len() as u8]);
            out.extend(part.bytes());
        }
        out.extend(b"\x93)R.");
    } else {
        out.extend(format!("c{module}\n{name}\n").bytes());
        out.extend(if protocol == 0 { &b"(tR."[..] } else { &b")R."[..] });
    }
    out
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut w = GzEncoder::new(Vec::new(), Compression::fast());
    w.write_all(bytes).unwrap();
    w.finish().unwrap()
}
pub fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut w = ZlibEncoder::new(Vec::new(), Compression::fast());
    w.write_all(bytes).unwrap();
    w.finish().unwrap()
}
pub fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut w = DeflateEncoder::new(Vec::new(), Compression::fast());
    w.write_all(bytes).unwrap();
    w.finish().unwrap()
}
pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// `.npy` of that type with that body.
pub fn npy(version: u8, descr: &str, shape: &str, body: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut out = b"\x93NUMPY".to_vec();
    out.extend([version, 0]);
    match version {
        1 => out.extend((header.len() as u16).to_le_bytes()),
        _ => out.extend((header.len() as u32).to_le_bytes()),
    }
    out.extend(header.bytes());
    out.extend(body);
    out
}

/// A member of a zip archive; the fields beside name and body are what the archive claims.
#[derive(Clone)]
pub struct Member {
    pub name: String,
    pub local_name: Option<String>,
    pub body: Vec<u8>,
    pub method: u16,
    pub local_method: Option<u16>,
    pub flags: u16,
    pub claimed: Option<u32>,
    pub local_claimed: Option<u32>,
    pub mode: u32,
    pub listed: bool,
    pub offset: Option<u32>,
}

pub fn member(name: &str, body: &[u8]) -> Member {
    Member {
        name: name.into(),
        local_name: None,
        body: body.to_vec(),
        method: 0,
        local_method: None,
        flags: 0,
        claimed: None,
        local_claimed: None,
        mode: 0o100_644,
        listed: true,
        offset: None,
    }
}

pub fn zip(members: &[Member]) -> Vec<u8> {
    zip_with(members, &[], members.iter().filter(|m| m.listed).count() as u16)
}

/// `before` stands in front without being counted; `entries` is what the end record claims.
pub fn zip_with(members: &[Member], before: &[u8], entries: u16) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for m in members {
        let packed = if m.method == 8 { deflate(&m.body) } else { m.body.clone() };
        let offset = m.offset.unwrap_or(out.len() as u32);
        let crc = {
            let mut c = flate2::Crc::new();
            c.update(&m.body);
            c.sum()
        };
        let size = m.claimed.unwrap_or(m.body.len() as u32);
        let local_size = m.local_claimed.or(m.claimed).unwrap_or(m.body.len() as u32);
        let local_name = m.local_name.as_ref().unwrap_or(&m.name);
        let start = out.len();
        out.extend(b"PK\x03\x04\x14\x00");
        out.extend(m.flags.to_le_bytes());
        out.extend(m.local_method.unwrap_or(m.method).to_le_bytes());
        out.extend([0; 4]);
        out.extend(crc.to_le_bytes());
        out.extend((packed.len() as u32).to_le_bytes());
        out.extend(local_size.to_le_bytes());
        out.extend((local_name.len() as u16).to_le_bytes());
        out.extend([0; 2]);
        out.extend(local_name.bytes());
        if m.offset.is_none() {
            out.extend(&packed);
        } else {
            // Its header is not here at all: it shares that of another member.
            out.truncate(start);
        }
        if m.listed {
            directory.extend(b"PK\x01\x02\x14\x03\x14\x00");
            directory.extend(m.flags.to_le_bytes());
            directory.extend(m.method.to_le_bytes());
            directory.extend([0; 4]);
            directory.extend(crc.to_le_bytes());
            directory.extend((packed.len() as u32).to_le_bytes());
            directory.extend(size.to_le_bytes());
            directory.extend((m.name.len() as u16).to_le_bytes());
            directory.extend([0; 8]);
            directory.extend((m.mode << 16).to_le_bytes());
            directory.extend(offset.to_le_bytes());
            directory.extend(m.name.bytes());
        }
    }
    let at = out.len() as u32;
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(entries.to_le_bytes());
    out.extend(entries.to_le_bytes());
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(at.to_le_bytes());
    out.extend([0; 2]);
    [before, &out].concat()
}

/// A member of a tar archive: name, type flag, link target, body.
pub fn tar(members: &[(&str, u8, &str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, kind, link, body) in members {
        let mut block = [0_u8; 512];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[100..108].copy_from_slice(b"0000644\0");
        block[124..136].copy_from_slice(format!("{:011o}\0", body.len()).as_bytes());
        block[136..148].copy_from_slice(b"00000000000\0");
        block[148..156].copy_from_slice(b"        ");
        block[156] = *kind;
        block[157..157 + link.len()].copy_from_slice(link.as_bytes());
        block[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u64 = block.iter().map(|b| u64::from(*b)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        out.extend(block);
        out.extend(*body);
        out.extend(vec![0; body.len().next_multiple_of(512) - body.len()]);
    }
    out.extend([0; 1024]);
    out
}

/// A record of a pax header.
pub fn pax(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len() + 1;
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    format!("{length}{rest}").into_bytes()
}

pub fn png(width: u32, height: u32) -> Vec<u8> {
    let mut out = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 7])).write_to(&mut out, image::ImageFormat::Png).unwrap();
    out.into_inner()
}

pub fn picture(format: image::ImageFormat) -> Vec<u8> {
    let mut out = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_fn(9, 7, |x, y| image::Rgb([x as u8 * 20, y as u8 * 30, 7])).write_to(&mut out, format).unwrap();
    out.into_inner()
}

/// A PNG that promises these dimensions in its header, and has a right checksum for them.
pub fn promising(width: u32, height: u32) -> Vec<u8> {
    let mut out = png(2, 2);
    out[16..20].copy_from_slice(&width.to_be_bytes());
    out[20..24].copy_from_slice(&height.to_be_bytes());
    let mut crc = flate2::Crc::new();
    crc.update(&out[12..29]);
    let sum = crc.sum().to_be_bytes();
    out[29..33].copy_from_slice(&sum);
    out
}

/// A Parquet file of no rows whose only column lies in that many groups (compact Thrift by hand).
pub fn deep_parquet(levels: u32) -> Vec<u8> {
    let mut out = b"PAR1".to_vec();
    // version: 1; schema: a list of structs, its length as a varint.
    out.extend([0x15, 0x02, 0x19, 0xfc]);
    let mut n = levels + 1;
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    // The root has a name and one child; every group also says that it is required.
    out.extend([0x48, 1, b'r', 0x15, 0x02, 0]);
    for _ in 1..levels {
        out.extend([0x35, 0, 0x18, 1, b'g', 0x15, 0x02, 0]);
    }
    out.extend([0x15, 0x02, 0x25, 0, 0x18, 1, b'a', 0]);
    // rows: 0; no row group.
    out.extend([0x16, 0, 0x19, 0x0c, 0]);
    let length = out.len() as u32 - 4;
    out.extend(length.to_le_bytes());
    out.extend(b"PAR1");
    out
}
