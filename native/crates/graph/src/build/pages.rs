//! Memory that is read here and there is best had in large pages.

use std::mem::MaybeUninit;

/// What a huge page holds, and is aligned to, on the usual machines.
const HUGE: usize = 2 << 20;

/// Asks for huge pages under memory that has not been written yet: reading it at random then finds its pages at once.
///
/// Only whole huge pages within it are affected; elsewhere than on Linux nothing happens.
pub fn ask_for_huge_pages<T>(memory: &mut [MaybeUninit<T>]) {
    let range = memory.as_mut_ptr_range();
    let (first, end) = (range.start.addr().next_multiple_of(HUGE), range.end.addr() / HUGE * HUGE);
    #[cfg(target_os = "linux")]
    if first < end {
        let start = range.start.cast::<libc::c_void>().with_addr(first);
        // SAFETY: the range lies within memory that is ours alone, and the advice changes nothing of what it holds.
        unsafe { libc::madvise(start, end - first, libc::MADV_HUGEPAGE) };
    }
}
