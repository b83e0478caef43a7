//! A centred vector to its code. Each returns the squared length of what the code stands for.

use elanus_kernels::simd::{bf16_to_f32, f16_to_f32};

use super::lanes;
use crate::code::NIBBLE_GROUP;

/// Added to a float below 2^22, it leaves the nearest integer in the low bits.
const ROUNDER: f32 = 12_582_912.0;

/// Brings what is no number, or too great for the difference of two, back to where arithmetic works.
#[inline(always)]
fn tame(values: &mut [f32]) {
    const MOST: f32 = f32::MAX / 4.0;
    for value in values {
        let above = if *value > -MOST { *value } else { -MOST };
        *value = if above < MOST { above } else { MOST };
    }
}

/// Bytes: `scale * (byte - 128)`.
#[inline(always)]
pub(crate) fn bytes(values: &mut [f32], codes: &mut [u8], tail: &mut [f32]) -> f64 {
    tame(values);
    let largest = lanes::largest(values);
    let inverse = if largest >= f32::MIN_POSITIVE { (127.0 / f64::from(largest)).min(1e38) as f32 } else { 0.0 };
    let mut square = 0;
    for (code, &value) in codes.iter_mut().zip(&*values) {
        let rounded = (value * inverse + ROUNDER).to_bits() as u8;
        *code = rounded ^ 0x80;
        square += i32::from(rounded.cast_signed()) * i32::from(rounded.cast_signed());
    }
    codes[values.len()..].fill(0x80);
    let scale = if inverse > 0.0 { largest / 127.0 } else { 0.0 };
    tail[0] = scale;
    f64::from(scale) * f64::from(scale) * f64::from(square)
}

/// Ranges tried for nibbles, as shares of the whole.
const SHARES: [f32; 12] = [1.0, 0.95, 0.9, 0.85, 0.8, 0.76, 0.72, 0.68, 0.64, 0.6, 0.55, 0.5];

/// Nibbles: `offset + scale * nibble`.
#[inline(always)]
pub(super) fn nibbles(values: &mut [f32], codes: &mut [u8], tail: &mut [f32]) -> f64 {
    tame(values);
    let (low, high) = lanes::extremes(values);
    let middle = low + (high - low) * 0.5;
    let mut best = (f32::INFINITY, low, 0.0);
    for share in SHARES {
        let offset = middle - (middle - low) * share;
        let scale = (high - low) * share / 15.0;
        let error = error_of(values, offset, scale);
        if error < best.0 {
            best = (error, offset, scale);
        }
    }
    let (_, offset, scale) = best;
    let (sum, square) = pack(values, offset, scale, codes);
    let (count, offset, scale) = (values.len() as f64, f64::from(offset), f64::from(scale));
    tail[0] = scale as f32;
    tail[2] = offset as f32;
    tail[3] = (count * offset + f64::from(sum) * scale) as f32;
    count * offset * offset + 2.0 * offset * scale * f64::from(sum) + scale * scale * f64::from(square)
}

#[inline(always)]
fn inverse(scale: f32) -> f32 {
    if scale >= 1e-37 { scale.recip() } else { 0.0 }
}

/// The nearest of the 16 levels.
#[inline(always)]
fn level(value: f32, offset: f32, inverse: f32) -> f32 {
    let exact = (value - offset) * inverse;
    let above = if exact > 0.0 { exact } else { 0.0 };
    let within = if above < 15.0 { above } else { 15.0 };
    within + ROUNDER - ROUNDER
}

#[inline(always)]
fn error_of(values: &[f32], offset: f32, scale: f32) -> f32 {
    let inverse = inverse(scale);
    let step = |sum: f32, value: f32| {
        let error = value - (offset + scale * level(value, offset, inverse));
        sum + error * error
    };
    lanes::fold(values, 0.0, step, |a, b| a + b)
}

/// Rounds to levels and packs two a byte; returns the sums of the levels and of their squares.
#[inline(always)]
fn pack(values: &[f32], offset: f32, scale: f32, codes: &mut [u8]) -> (u32, u32) {
    let inverse = inverse(scale);
    let (mut sum, mut square) = (0, 0);
    let mut nibble = |value: f32| {
        let nibble = (level(value, offset, inverse) + ROUNDER).to_bits() & 15;
        sum += nibble;
        square += nibble * nibble;
        nibble as u8
    };
    codes.fill(0);
    for (values, codes) in values.chunks(NIBBLE_GROUP).zip(codes.chunks_mut(NIBBLE_GROUP / 2)) {
        let (low, high) = values.split_at(values.len().min(codes.len()));
        for (code, &value) in codes.iter_mut().zip(low) {
            *code = nibble(value);
        }
        for (code, &value) in codes.iter_mut().zip(high) {
            *code |= nibble(value) << 4;
        }
    }
    (sum, square)
}

/// Halves under the power of two that brings the largest element to between 1 and 2.
#[inline(always)]
pub(super) fn halves(values: &mut [f32], codes: &mut [u8], tail: &mut [f32], half: impl Half) -> f64 {
    tame(values);
    // The exponent alone, within bounds that leave its inverse a float.
    let exponent = (lanes::largest(values).to_bits() >> 23).clamp(2, 252);
    let (scale, inverse) = (f32::from_bits(exponent << 23), f32::from_bits((254 - exponent) << 23));
    codes.fill(0);
    for (code, value) in codes.as_chunks_mut::<2>().0.iter_mut().zip(values.iter_mut()) {
        let narrowed = half.narrow(*value * inverse);
        *code = narrowed.to_le_bytes();
        *value = half.widen(narrowed);
    }
    tail[0] = scale;
    f64::from(lanes::square(values)) * f64::from(scale) * f64::from(scale)
}

/// A float of two bytes; what it narrows is below 16.
pub(super) trait Half: Copy {
    fn narrow(self, value: f32) -> u16;
    fn widen(self, half: u16) -> f32;
}

/// IEEE half.
#[derive(Clone, Copy)]
pub(super) struct F16;

/// The upper half of a float.
#[derive(Clone, Copy)]
pub(super) struct Bf16;

impl Half for F16 {
    #[inline(always)]
    fn narrow(self, value: f32) -> u16 {
        let bits = value.to_bits();
        let (sign, size) = (bits >> 16 & 0x8000, bits & 0x7FFF_FFFF);
        // Rounds to even, and moves the exponent from one bias to the other.
        let normal = (size + 0x0FFF + (size >> 13 & 1)).wrapping_sub(112 << 23) >> 13;
        // A half's smallest step is the last bit of 0.5: the addition rounds.
        let subnormal = (f32::from_bits(size) + 0.5).to_bits().wrapping_sub(0.5_f32.to_bits());
        (sign | if size < 113 << 23 { subnormal } else { normal }) as u16
    }
    #[inline(always)]
    fn widen(self, half: u16) -> f32 {
        f16_to_f32(half)
    }
}

impl Half for Bf16 {
    #[inline(always)]
    fn narrow(self, value: f32) -> u16 {
        let bits = value.to_bits();
        ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16) as u16
    }
    #[inline(always)]
    fn widen(self, half: u16) -> f32 {
        bf16_to_f32(half)
    }
}
