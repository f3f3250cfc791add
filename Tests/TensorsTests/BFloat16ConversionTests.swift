import CKernels
import Testing

@Suite struct BFloat16ConversionTests {
    /// The upper half of a number, rounded to nearest, ties to even; whole vectors may be rounded by an instruction of
    /// the processor, other rows never are.
    @Test(arguments: [15, 16, 48]) func roundsToNearestEven(columns: Int) {
        // 1 + 2^-8 and 1 + 3 · 2^-8 lie between two numbers; the others are below and above such a value.
        let cases: [(UInt32, UInt16)] = [
            (0x3f80_0000, 0x3f80), (0x3f80_8000, 0x3f80), (0x3f81_8000, 0x3f82), (0x3f80_7fff, 0x3f80),
            (0x3f80_8001, 0x3f81), (0xbf80_8001, 0xbf81), (0x7f7f_ffff, 0x7f80), (0x7f80_0000, 0x7f80),
            (0xff80_0000, 0xff80), (0x0000_0000, 0x0000), (0x8000_0000, 0x8000),
        ]
        let rows = 3
        let values = (0..<rows * columns).map { Float(bitPattern: cases[$0 % cases.count].0) }
        var rounded = [UInt16](repeating: 1, count: rows * columns)
        ck_narrow(&rounded, Int64(columns), values, Int64(columns), Int64(rows), Int64(columns))
        #expect(rounded == (0..<rows * columns).map { cases[$0 % cases.count].1 })

        var scaled = [UInt16](repeating: 1, count: rows * columns)
        ck_narrow_scaled(&scaled, values, [Float](repeating: 1, count: columns), Int64(rows), Int64(columns))
        #expect(scaled == rounded)

        var widened = [Float](repeating: 1, count: rows * columns)
        ck_widen(&widened, Int64(columns), rounded, Int64(columns), Int64(rows), Int64(columns))
        #expect(widened.map(\.bitPattern) == rounded.map { UInt32($0) << 16 })
    }

    @Test(arguments: [15, 16]) func aNaNStaysOne(columns: Int) {
        let values = [Float](repeating: Float(bitPattern: 0x7fff_ffff), count: columns)
        var rounded = [UInt16](repeating: 0, count: columns)
        ck_narrow(&rounded, Int64(columns), values, Int64(columns), 1, Int64(columns))
        #expect(rounded.allSatisfy { Float(bitPattern: UInt32($0) << 16).isNaN })
    }
}
