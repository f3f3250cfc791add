import CHDF5
import HDF5
import TestSupport
import Testing

@Suite struct AttributeTests {
    @Test func everyTypeIsRestored() throws {
        try withScratchFile { path in
            let root = try File(creating: path).root
            try root.setAttribute("text", to: "√s = 13 TeV")
            try root.setAttribute("empty", to: "")
            try root.setAttribute("texts", to: ["pt", "Δη", ""])
            try root.setAttribute("integer", to: Int.min)
            try root.setAttribute("integers", to: [1, -2, .max])
            try root.setAttribute("number", to: 0.1)
            try root.setAttribute("numbers", to: [0.5, .infinity])
            try root.setAttribute("nothing", to: [] as [String])
            try root.setAttribute("no numbers", to: [] as [Double])

            #expect(try root.stringAttribute("text") == "√s = 13 TeV")
            #expect(try root.stringAttribute("empty") == "")
            #expect(try root.stringsAttribute("texts") == ["pt", "Δη", ""])
            #expect(try root.intAttribute("integer") == .min)
            #expect(try root.intsAttribute("integers") == [1, -2, .max])
            #expect(try root.doubleAttribute("number") == 0.1)
            #expect(try root.doublesAttribute("numbers") == [0.5, .infinity])
            #expect(try root.doublesAttribute("integers") == [1, -2, Double(Int.max)])
            #expect(try root.stringsAttribute("nothing") == [])
            #expect(try root.doublesAttribute("no numbers") == [])
            #expect(
                try root.attributeNames == [
                    "empty", "integer", "integers", "no numbers", "nothing", "number", "numbers", "text",
                    "texts",
                ])
            #expect(root.hasAttribute("text") == true)
            #expect(root.hasAttribute("txt") == false)
        }
    }

    @Test func largeAttributesFit() throws {
        try withScratchFile { path in
            let text = String(repeating: "seed: 0 # Δη\n", count: 100_000)
            let texts = (0..<10_000).map { "parameter \($0)" }
            let numbers = (0..<20_000).map { Double($0) }
            do {
                let file = try File(creating: path)
                try file.root.setAttribute("configuration", to: text)
                let dataset = try file.root.createDataset("a", of: .float32, shape: [1])
                try dataset.setAttribute("names", to: texts)
                try dataset.setAttribute("numbers", to: numbers)
                try file.close()
            }
            let root = try File(opening: path).root
            #expect(try root.stringAttribute("configuration") == text)
            let dataset = try root.dataset("a")
            #expect(try dataset.stringsAttribute("names") == texts)
            #expect(try dataset.doublesAttribute("numbers") == numbers)
        }
    }

    @Test func settingReplaces() throws {
        try withScratchFile { path in
            let root = try File(creating: path).root
            try root.setAttribute("a", to: 1)
            try root.setAttribute("a", to: "one")
            try root.setAttribute("a", to: ["one", "two"])
            #expect(try root.stringsAttribute("a") == ["one", "two"])
            #expect(try root.attributeNames == ["a"])
        }
    }

    @Test func mistakesAreNamed() throws {
        let path = fixture("h5py.h5")
        let file = try File(opening: path)
        func message(_ read: () throws -> Void) -> String? {
            #expect(throws: HDF5Error.self, performing: read)?.description
        }
        let start = "HDF5 read attribute"
        #expect(
            message { _ = try file.root.intAttribute("integr") }
                == "\(start) 'integr' of / in \(path): the attribute does not exist")
        #expect(
            message { _ = try file.root.intAttribute("text") }
                == "\(start) 'text' of / in \(path): it is of type string, not integer")
        #expect(
            message { _ = try file.root.intAttribute("number") }
                == "\(start) 'number' of / in \(path): it is of type float64, not integer")
        #expect(
            message { _ = try file.root.stringAttribute("integer") }
                == "\(start) 'integer' of / in \(path): it is of type int64, not string")
        #expect(
            message { _ = try file.root.dataset("csts").stringAttribute("names") }
                == "\(start) 'names' of /csts in \(path): it has 3 values, not one")
        try withScratchFile { path in
            let root = try File(creating: path).root
            let error = #expect(throws: HDF5Error.self) { try root.setAttribute("a", to: "zero \0 byte") }
            #expect(error?.reason == "a text that contains a zero byte cannot be stored")
        }
    }

    // MARK: Copies

    /// Copies have the same type, shape and values; references to objects of the file are left out, and named.
    @Test func attributesAreCopiedAsTheyAre() throws {
        let source = fixture("attributes.h5")
        try withScratchFile { path in
            let file = try File(opening: source)
            let names = try file.root.attributeNames
            let others = file.root.attributesThatCannotBeCopied()
            #expect(others == ["reference", "references"])
            let copy = try File(creating: path)
            try copy.root.setAttribute("matrix", to: 1)
            try file.root.copyAttributes(to: copy.root, except: ["flag"])
            let copied = names.filter { !(others + ["flag"]).contains($0) }
            #expect(try copy.root.attributeNames == copied && copied.count == 13)
            #expect(try copy.root.stringsAttribute("texts") == ["a", "bc", "", "Δη"])
            try copy.close()
            try file.close()
            // Other tests use the library at the same time.
            HDF5Library.locked {
                for name in copied { #expect(Stored(name, source) == Stored(name, path), "\(name)") }
            }
        }
    }

    /// An attribute as the library describes it.
    private final class Stored: Equatable {
        private let type: hid_t
        private let kind: H5S_class_t
        private let shape: [hsize_t]
        /// Values of fixed length.
        private let values: [UInt8]

        init(_ name: String, _ path: String) {
            let file = H5Fopen(path, 0, kaon_H5P_DEFAULT())
            let attribute = H5Aopen(file, name, kaon_H5P_DEFAULT())
            #expect(attribute >= 0)
            let (stored, space) = (H5Aget_type(attribute), H5Aget_space(attribute))
            type = H5Tcopy(stored)
            kind = H5Sget_simple_extent_type(space)
            var shape = [hsize_t](repeating: 0, count: Int(H5Sget_simple_extent_ndims(space)))
            H5Sget_simple_extent_dims(space, &shape, nil)
            self.shape = shape
            let isVariable = H5Tis_variable_str(type) > 0 || H5Tdetect_class(type, H5T_VLEN) > 0
            let elements = Int(H5Sget_simple_extent_npoints(space))
            var values = [UInt8](repeating: 0, count: isVariable ? 0 : elements * H5Tget_size(type))
            if !values.isEmpty { #expect(H5Aread(attribute, type, &values) >= 0) }
            self.values = values
            H5Tclose(stored)
            H5Sclose(space)
            H5Aclose(attribute)
            H5Fclose(file)
        }

        deinit { H5Tclose(type) }

        static func == (a: Stored, b: Stored) -> Bool {
            H5Tequal(a.type, b.type) > 0 && a.kind == b.kind && a.shape == b.shape && a.values == b.values
        }
    }
}
