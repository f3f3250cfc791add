import Foundation
import Runs
import TestSupport
import Testing

/// The frame, the checksums and the names of event files; what is in them TensorBoard's own package reads in
/// `python/tests/test_tensorboard.py`.
@Suite struct TensorBoardTests {
    /// The check value of CRC-32C, and the examples of RFC 3720, appendix B.4.
    @Test func checksumsAreThoseOfTheStandard() {
        #expect(TFRecord.checksum(Data("123456789".utf8)) == 0xe306_9283)
        #expect(TFRecord.checksum(Data(repeating: 0, count: 32)) == 0x8a91_36aa)
        #expect(TFRecord.checksum(Data(repeating: 0xff, count: 32)) == 0x62a8_ab43)
        #expect(TFRecord.checksum(Data(0..<32)) == 0x46dd_794e)
        #expect(TFRecord.checksum(Data()) == 0)
    }

    /// The bytes that TensorBoard's package makes of the same event.
    @Test func aScalarHasTheBytesOfTensorFlow() throws {
        try withScratchFolder { folder in
            let file = try TensorBoardFile(in: folder, purging: 0, host: "node7", now: { 1.5 })
            try file.write([("a", 0.5)], step: 300)
            let path = folder + "/events.out.tfevents.0000000001.node7"
            let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            let record = "1800000000000000a37f4b2209000000000000f83f10ac022a0a0a080a0161150000003f64076a3f"
            #expect(bytes.map { String(format: "%02x", $0) }.joined().hasSuffix(record))
        }
    }

    /// The names rise, so that TensorBoard reads the files in the order in which they were begun.
    @Test func everyStartHasALaterFile() throws {
        try withScratchFolder { folder in
            for (time, host) in [(2e9, "b"), (2e9, "a"), (1e9, "c")] {
                _ = try TensorBoardFile(in: folder, purging: 0, host: host, now: { time })
            }
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == [
                    "events.out.tfevents.2000000000.b", "events.out.tfevents.2000000001.a",
                    "events.out.tfevents.2000000002.c",
                ])
        }
    }

    @Test func histogramsCountEveryFiniteValue() throws {
        func histogram(_ values: [Float]) -> ValueHistogram? { values.withUnsafeBufferPointer { ValueHistogram($0) } }
        let found = try #require(histogram([-1, 2, 0.5, .nan, 2, .infinity]))
        #expect(found.minimum == -1 && found.maximum == 2 && found.count == 4)
        #expect(found.sum == 3.5 && found.sumOfSquares == 9.25)
        #expect(found.bins.count == 30 && found.bins[0] == 1 && found.bins[15] == 1 && found.bins[29] == 2)
        #expect(found.upperEdges.first == -0.9 && found.upperEdges.last == 2)
        let same = try #require(histogram([3, 3]))
        #expect(same.bins == [2] && same.upperEdges == [3])
        #expect(histogram([.nan]) == nil && histogram([]) == nil)
    }
}
