import HDF5
import Testing

/// Files written by h5py (Fixtures/make_h5py.py).
@Suite struct H5pyTests {
    let rows = (0..<12 * 5 * 3).map { $0 }

    @Test func datasets() throws {
        let root = try File(opening: fixture("h5py.h5")).root
        let csts = try root.dataset("csts")
        #expect(csts.path == "/csts")
        #expect(csts.shape == [12, 5, 3])
        #expect(csts.chunks == [4, 5, 3])
        #expect(csts.filters == .deflate(4))
        #expect(csts.elementType == .float32)
        #expect(csts.storedBytes > 0 && csts.storedBytes < 12 * 5 * 3 * 4)
        #expect(try csts.readAll() == rows.map { Float($0) / 4 })
        #expect(try csts.rows(3..<5) == rows[45..<75].map { Float($0) / 4 })

        let mask = try root.dataset("mask")
        #expect(mask.elementType == .boolean)
        #expect(mask.chunks == [4, 5])
        #expect(mask.filters == .none)
        #expect(try mask.readAll() == stride(from: 0, to: 180, by: 3).map { UInt8(1 - $0 % 2) })

        let labels = try root.dataset("alias")
        #expect(labels.elementType == .int64)
        #expect(labels.chunks == nil)
        #expect(try labels.readAll() == (0..<12).map { Int32($0 % 3) })
    }

    @Test func types() throws {
        let types = try File(opening: fixture("h5py.h5")).root.group("types")
        let expected: [(String, ElementType)] = [
            ("i1", .int8), ("i2", .int16), ("i4", .int32), ("i8", .int64), ("u1", .uint8), ("u2", .uint16),
            ("u4", .uint32), ("u8", .uint64), ("half", .float16), ("f4", .float32), ("f8", .float64),
            ("big_endian", .float32),
        ]
        for (name, type) in expected {
            #expect(try types.dataset(name).elementType == type)
            #expect(try types.read(name, as: Float.self) == [1, 2, 3])
            #expect(try types.read(name, as: UInt8.self) == [1, 2, 3])
        }
        #expect(try types.dataset("text").elementType == .string)
        #expect(try types.dataset("pair").elementType == .other("compound"))
        #expect(try types.read("single", as: Double.self) == [42.5])
        #expect(try types.dataset("empty").shape == [0, 4])
    }

    @Test func attributes() throws {
        let root = try File(opening: fixture("h5py.h5")).root
        #expect(try root.stringAttribute("text") == "√s = 13 TeV")
        #expect(try root.stringAttribute("bytes") == "plain")
        #expect(try root.stringAttribute("empty text") == "")
        #expect(try root.stringsAttribute("no text") == [])
        #expect(try root.stringAttribute("space padded") == "ab")
        #expect(try root.intAttribute("integer") == 7)
        #expect(try root.intAttribute("unsigned") == 200)
        #expect(try root.intAttribute("flag") == 1)
        #expect(try root.doubleAttribute("number") == 0.5)
        #expect(try root.doubleAttribute("single") == 0.25)
        #expect(try root.intsAttribute("integers") == [1, 2, 3])
        #expect(try root.doublesAttribute("numbers") == [0.5, 1.5])
        #expect(try root.intsAttribute("matrix") == [0, 1, 2, 3, 4, 5])
        #expect(try root.dataset("csts").stringsAttribute("names") == ["pt", "Δη", "Δφ"])
        #expect(try root.dataset("labels").stringsAttribute("names") == ["QCD", "Tbqq", "Wqq"])
        #expect(try root.attributeNames.count == 13)
    }
}
