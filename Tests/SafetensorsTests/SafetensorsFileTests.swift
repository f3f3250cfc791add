import Foundation
import Safetensors
import TestSupport
import Testing

@Suite struct SafetensorsFileTests {
    /// A file with a header and a number of zero bytes after it.
    private func file(_ header: String, body: Int = 0, length: UInt64? = nil) -> Data {
        var data = Data()
        withUnsafeBytes(of: (length ?? UInt64(header.utf8.count)).littleEndian) {
            data.append(contentsOf: $0)
        }
        return data + Data(header.utf8) + Data(count: body)
    }

    private func complaint(_ data: Data) -> String {
        failure { _ = try SafetensorsFile(data, path: "x.safetensors") }
    }

    private func entry(_ type: String = "F32", _ shape: String = "[2]", _ offsets: String = "[0,8]") -> String {
        "{\"dtype\":\"\(type)\",\"shape\":\(shape),\"data_offsets\":\(offsets)}"
    }

    @Test func valuesAreRestoredExactly() throws {
        let patterns: [UInt32] = [
            0, 0x8000_0000, 1, 0x7f80_0000, 0xff80_0000, 0x7fc0_1234, 0x3f80_0001, 0x7f7f_ffff,
        ]
        let floats = patterns.map { Float(bitPattern: $0) }
        let integers = [0, 1, -1, .max, .min, 1 << 32]
        let name = "encoder.\"läyers\"\\3\n\u{1F680}"
        var writer = SafetensorsWriter(metadata: ["format": "pt", "quote\"": "tab\t, null \u{0}, é"])
        writer.add(name, floats, shape: [2, 2, 2])
        writer.add("a", integers, shape: [6])
        writer.add("fine", [1.0 / 3, -Double.leastNonzeroMagnitude], shape: [2])
        writer.add("none", [Float](), shape: [3, 0])
        writer.add("one", [Float(2.5)], shape: [])
        try withScratchFolder { folder in
            let path = folder + "/t.safetensors"
            try writer.write(to: path)
            let file = try SafetensorsFile(contentsOf: path)
            #expect(file.names == ["a", name, "fine", "none", "one"])
            #expect(try file.doubles("fine") == [1.0 / 3, -Double.leastNonzeroMagnitude])
            #expect(try file.floats(name).map(\.bitPattern) == patterns)
            #expect(try file.shape(name) == [2, 2, 2] && file.type(name) == .float32)
            #expect(try file.integers("a") == integers)
            #expect(try file.floats("none") == [] && file.shape("none") == [3, 0])
            #expect(try file.floats("one") == [2.5] && file.shape("one") == [])
            #expect(file.metadata.filter { $0.key != "crc32" } == writer.metadata)
            // As Python's reader requires, the values begin at a multiple of 8 bytes.
            let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            #expect(bytes == writer.encoded && bytes[0] % 8 == 0)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["t.safetensors"])
        }
    }

    /// The CRC-32 of "123456789" is the check value of the algorithm.
    @Test func damagedValuesAreFound() throws {
        let digits = "123456789"
        func file(_ checksum: String) -> Data {
            self.file(
                "{\"__metadata__\":{\"crc32\":\"\(checksum)\"},\"w\":\(entry("U8", "[9]", "[0,9]"))}")
                + Data(digits.utf8)
        }
        #expect(complaint(file("cbf43926")) == "")
        #expect(complaint(file("cbf43927")).contains("x.safetensors: the file is damaged"))
        var writer = SafetensorsWriter()
        writer.add("w", [1, 2, 3], shape: [3])
        let whole = writer.encoded
        for bit in 0..<24 * 8 {
            var data = whole
            data[data.count - 1 - bit / 8] ^= 1 << (bit % 8)
            #expect(complaint(data).contains("is damaged"), "bit \(bit)")
        }
    }

    @Test func aFileWithoutTensorsIsValid() throws {
        #expect(try SafetensorsFile(SafetensorsWriter().encoded, path: "x").names == [])
    }

    /// The indices of a slice of a larger buffer do not begin at 0.
    @Test func readsASlice() throws {
        var writer = SafetensorsWriter()
        writer.add("w", [1, 2, 3], shape: [3])
        let data = (Data([9, 9, 9]) + writer.encoded).dropFirst(3)
        #expect(try SafetensorsFile(data, path: "x").integers("w") == [1, 2, 3])
    }

    @Test func otherTypesAreRecognisedButNotRead() throws {
        let file = try SafetensorsFile(file("{\"w\":\(entry("BF16", "[2]", "[0,4]"))}", body: 4), path: "x")
        #expect(try file.type("w") == .bfloat16)
        #expect(failure { _ = try file.floats("w") } == "x: the tensor 'w' is of type BF16, not F32")
        #expect(failure { _ = try file.floats("v") } == "x: the file has no tensor 'v'")
    }

    @Test func hostileLengthsAreRefused() {
        #expect(complaint(Data()) == "x.safetensors: too short for a safetensors file")
        for length in [3, 1 << 40, UInt64.max, 1 << 63, 100_000_001] {
            #expect(
                complaint(file("{}", length: length)).contains("the header should have \(length) bytes"),
                "\(length)")
        }
    }

    @Test(arguments: [
        ("[0,4]", "has 4 bytes, which do not fit its shape [2] and type F32"),
        ("[0,12]", "has the data_offsets [0, 12], but 8 bytes follow the header"),
        ("[8,0]", "has the data_offsets [8, 0]"),
        ("[0]", "has the data_offsets [0]"),
        ("[2,10]", "has the data_offsets [2, 10]"),
        ("[0,9223372036854775807]", "has the data_offsets [0, 9223372036854775807]"),
        ("[0,9223372036854775808]", "an integer below 2^63 is missing"),
        ("[-8,0]", "a non-negative integer is missing"),
        ("[0,8.0]", "',' or ']' is missing"),
        ("[0,8,9]", "a list of at most 2 integers is missing"),
        ("[0,08]", "an integer without leading zeros is missing"),
        ("[\"0\",8]", "a non-negative integer is missing"),
    ])
    func hostileOffsetsAreRefused(offsets: String, problem: String) {
        let text = complaint(file("{\"w\":\(entry("F32", "[2]", offsets))}", body: 8))
        #expect(text.contains(problem) && text.hasPrefix("x.safetensors: "), "\(text)")
    }

    @Test func shapesThatOverflowAreRefused() {
        for shape in ["[9223372036854775807,2]", "[4294967296,4294967296]", "[1152921504606846976,4]"] {
            let text = complaint(file("{\"w\":\(entry("F32", shape, "[0,0]"))}"))
            #expect(text.contains("has 0 bytes, which do not fit its shape"), "\(text)")
        }
    }

    @Test func overlapsAndGapsAreRefused() {
        func two(_ first: String, _ second: String) -> String {
            complaint(
                file("{\"a\":\(entry("F32", "[2]", first)),\"b\":\(entry("F32", "[2]", second))}", body: 20))
        }
        #expect(
            two("[0,8]", "[4,12]") == "x.safetensors: the tensor 'b' begins at byte 4, inside another tensor")
        #expect(
            two("[0,8]", "[0,8]") == "x.safetensors: the tensor 'b' begins at byte 0, inside another tensor")
        #expect(
            two("[0,8]", "[12,20]")
                == "x.safetensors: the tensor 'b' begins at byte 12, after a gap from byte 8")
        #expect(two("[0,8]", "[8,16]").contains("the tensors have 16 bytes, but 20 follow the header"))
        #expect(
            complaint(
                file(
                    "{\"a\":\(entry("U8", "[2]", "[0,2]")),\"b\":\(entry("F32", "[2]", "[2,10]"))}", body: 10)
            )
                == "x.safetensors: the tensor 'b' begins at byte 2, which is not a multiple of 4")
    }

    @Test(arguments: [
        ("", "'{' is missing"),
        ("[]", "'{' is missing"),
        ("{\"w\":7}", "'{' is missing"),
        ("{\"w\":{}}", "the tensor 'w' lacks dtype"),
        ("{\"w\":{\"dtype\":\"F32\"}}", "the tensor 'w' lacks shape"),
        ("{\"w\":{\"dtype\":\"F31\",\"shape\":[],\"data_offsets\":[0,0]}}", "has the unknown type 'F31'"),
        ("{\"w\":{\"stride\":[]}}", "has the unknown field 'stride'"),
        ("{\"w\":{},\"w\":{}}", "lacks dtype"),
        ("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", "has the key 'a' twice"),
        ("{\"__metadata__\":{},\"__metadata__\":{}}", "has the key '__metadata__' twice"),
        ("{\"__metadata__\":{\"a\":1}}", "'\"' is missing"),
        ("{\"__metadata__\":{\"a\":{}}}", "'\"' is missing"),
        ("{\"a\\ud800\":{}}", "a surrogate pair is missing"),
        ("{\"a\\q\":{}}", "a valid escape sequence is missing"),
        ("{\"a\u{1}\":{}}", "a string without control characters is missing"),
        ("{} x", "the end of the header is missing"),
        ("{\"w", "the end of a string is missing"),
    ])
    func invalidJSONIsRefused(header: String, problem: String) {
        let text = complaint(file(header))
        #expect(text.contains(problem), "\(text)")
    }

    @Test func aDuplicateKeyIsRefused() {
        let text = complaint(
            file("{\"w\":\(entry("F32", "[0]", "[0,0]")),\"w\":\(entry("F32", "[0]", "[0,0]"))}"))
        #expect(text == "x.safetensors: the header has the key 'w' twice")
    }

    @Test func nestingAndInvalidUTF8AreRefused() {
        #expect(complaint(file(String(repeating: "{\"a\":", count: 100_000))).contains("unknown field 'a'"))
        #expect(complaint(file(String(repeating: "[", count: 100_000))).contains("'{' is missing"))
        var data = file("{\"__metadata__\":{\"a\":\"xx\"}}")
        data[data.count - 5] = 0xff
        #expect(complaint(data) == "x.safetensors: the header contains text that is not UTF-8")
    }

    @Test func onlyRegularFilesAreRead() throws {
        try withScratchFolder { folder in
            func complaint(_ path: String) -> String { failure { _ = try SafetensorsFile(contentsOf: path) } }
            #expect(complaint(folder + "/none") == "\(folder)/none: no such file")
            #expect(complaint(folder) == "\(folder): not a regular file")
            #expect(complaint("/dev/zero") == "/dev/zero: not a regular file")
            let text = failure { try SafetensorsWriter().write(to: folder + "/none/x.safetensors") }
            #expect(text.hasPrefix("cannot write \(folder)/none/x.safetensors: there is no folder \(folder)/none; "))
        }
    }
}
