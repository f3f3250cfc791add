/// Recomputes the checksums of HDF5's metadata after a change, so that the library reads the changed metadata.
enum HDF5Checksums {
    /// Repairs the superblock (versions 2 and 3) and all object headers (version 2) that are found.
    static func repair(_ bytes: inout [UInt8]) {
        // After the seal, if there is one.
        let base = bytes.starts(with: "kaonseal".utf8) ? 512 : 0
        if bytes.count >= base + 48, bytes[base + 8] == 2 || bytes[base + 8] == 3 {
            repair(base..<base + 44, &bytes)
        }
        var start = 0
        while start + 16 < bytes.count {
            defer { start += 1 }
            guard bytes[start] == UInt8(ascii: "O"), bytes[start..<start + 4].elementsEqual("OHDR".utf8),
                bytes[start + 4] == 2
            else { continue }
            // The flags encode whether times and limits precede the size, and the number of bytes of the size.
            let flags = bytes[start + 5]
            let place = start + 6 + (flags & 0x20 != 0 ? 16 : 0) + (flags & 0x10 != 0 ? 4 : 0)
            let width = 1 << Int(flags & 3)
            guard place + width <= bytes.count else { continue }
            let size = (0..<min(width, 7)).reduce(0) { $0 | Int(bytes[place + $1]) << (8 * $1) }
            let end = place + width + size
            if end + 4 <= bytes.count { repair(start..<end, &bytes) }
        }
    }

    private static func repair(_ range: Range<Int>, _ bytes: inout [UInt8]) {
        let sum = lookup3(bytes[range])
        for i in 0..<4 { bytes[range.upperBound + i] = UInt8(truncatingIfNeeded: sum >> UInt32(8 * i)) }
    }

    /// Bob Jenkins's hash lookup3, as HDF5 uses it.
    private static func lookup3(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        let initial = 0xdead_beef &+ UInt32(bytes.count)
        var (a, b, c) = (initial, initial, initial)
        func rotated(_ x: UInt32, _ k: UInt32) -> UInt32 { x << k | x >> (32 - k) }
        var rest = Array(bytes)[...]
        func word(_ index: Int) -> UInt32 {
            (0..<4).reduce(0) { sum, i in
                let place = rest.startIndex + 4 * index + i
                return place < rest.endIndex ? sum | UInt32(rest[place]) << UInt32(8 * i) : sum
            }
        }
        while rest.count > 12 {
            a &+= word(0)
            b &+= word(1)
            c &+= word(2)
            a &-= c
            a ^= rotated(c, 4)
            c &+= b
            b &-= a
            b ^= rotated(a, 6)
            a &+= c
            c &-= b
            c ^= rotated(b, 8)
            b &+= a
            a &-= c
            a ^= rotated(c, 16)
            c &+= b
            b &-= a
            b ^= rotated(a, 19)
            a &+= c
            c &-= b
            c ^= rotated(b, 4)
            b &+= a
            rest = rest.dropFirst(12)
        }
        guard !rest.isEmpty else { return c }
        a &+= word(0)
        b &+= word(1)
        c &+= word(2)
        c ^= b
        c &-= rotated(b, 14)
        a ^= c
        a &-= rotated(c, 11)
        b ^= a
        b &-= rotated(a, 25)
        c ^= b
        c &-= rotated(b, 16)
        a ^= c
        a &-= rotated(c, 4)
        b ^= a
        b &-= rotated(a, 14)
        c ^= b
        c &-= rotated(b, 24)
        return c
    }
}
