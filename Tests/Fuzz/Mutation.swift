/// Damage to bytes, as caused by disks and networks or made on purpose.
enum Mutation {
    /// Numbers at the limits of integer types.
    private static let numbers: [UInt64] = [
        0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 32, 1 << 40,
        1 << 61, 1 << 62, 0x7fff_ffff_ffff_ffff, 1 << 63, .max - 1, .max,
    ]

    /// Applies one to four changes.
    static func apply(to bytes: inout [UInt8], _ random: inout SplitMix) {
        for _ in 0...random.below(4) { change(&bytes, &random) }
    }

    private static func change(_ bytes: inout [UInt8], _ random: inout SplitMix) {
        guard bytes.count > 16 else { return bytes.append(UInt8(truncatingIfNeeded: random.next())) }
        switch random.below(12) {
        case 0...3:
            for _ in 0...random.below(4) { bytes[place(bytes, &random)] ^= 1 << UInt8(random.below(8)) }
        case 4...6: write(random.element(numbers), random.element([1, 2, 4, 8]), &bytes, &random)
        case 7:
            write(
                UInt64(bytes.count) &+ UInt64(random.below(5)) &- 2, random.element([2, 4, 8]), &bytes,
                &random)
        case 8: bytes.removeLast(random.below(bytes.count))
        case 9:
            // A block that was not written.
            let start = random.below(bytes.count)
            let filling: UInt8 = random.element([0, 0xff, UInt8(truncatingIfNeeded: random.next())])
            for i in start..<min(bytes.count, start + random.element([4, 16, 64, 512])) { bytes[i] = filling }
        case 10:
            // A range copied to another place, overwriting or inserted.
            let range = range(bytes, &random)
            let copy = Array(bytes[range])
            let start = place(bytes, &random)
            let end = random.oneIn(2) ? start : min(bytes.count, start + copy.count)
            bytes.replaceSubrange(start..<end, with: copy)
        default: bytes.removeSubrange(range(bytes, &random))
        }
    }

    /// A random place, preferably of a non-zero byte: most bytes of a file are zeros without meaning.
    private static func place(_ bytes: [UInt8], _ random: inout SplitMix) -> Int {
        for _ in 0..<8 {
            let place = random.below(bytes.count)
            if bytes[place] != 0 { return place }
        }
        return random.below(bytes.count)
    }

    private static func range(_ bytes: [UInt8], _ random: inout SplitMix) -> Range<Int> {
        let start = random.below(bytes.count)
        return start..<min(bytes.count, start + 1 + random.below(random.element([8, 64, 1024])))
    }

    private static func write(_ number: UInt64, _ size: Int, _ bytes: inout [UInt8], _ random: inout SplitMix) {
        let start = min(place(bytes, &random), bytes.count - size)
        for i in 0..<size { bytes[start + i] = UInt8(truncatingIfNeeded: number >> UInt64(8 * i)) }
    }
}
