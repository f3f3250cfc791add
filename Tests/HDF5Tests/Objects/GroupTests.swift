import HDF5
import TestSupport
import Testing

@Suite struct GroupTests {
    @Test func groupsNest() throws {
        try withScratchFile { path in
            let file = try File(creating: path)
            let layer = try file.root.createGroup("model/encoder/layer")
            #expect(layer.path == "/model/encoder/layer")
            try layer.write([1, 2] as [Double], as: "weight")
            let model = try file.root.group("model")
            #expect(try model.read("encoder/layer/weight", as: Double.self) == [1, 2])
            #expect(try model.group("encoder").group("layer").path == "/model/encoder/layer")
            #expect(try layer.group("/model").path == "/model")
        }
    }

    @Test func childrenAreSortedAndHaveKinds() throws {
        let file = try File(opening: fixture("h5py.h5"))
        let expected: [Group.Child] = [
            .init(name: "alias", kind: .dataset), .init(name: "csts", kind: .dataset),
            .init(name: "labels", kind: .dataset), .init(name: "lost", kind: .other),
            .init(name: "mask", kind: .dataset), .init(name: "types", kind: .group),
        ]
        #expect(try file.root.children == expected)
    }

    @Test func namesMayBeAnyText() throws {
        try withScratchFile { path in
            let file = try File(creating: path)
            for name in ["encoder.layers.3.attention.qkv.weight", "Δη", "a b"] {
                try file.root.write([1] as [Float], as: name)
                #expect(file.root.contains(name) == true)
            }
            #expect(
                try file.root.children.map(\.name) == ["a b", "encoder.layers.3.attention.qkv.weight", "Δη"])
        }
    }

    @Test func containmentFollowsThePath() throws {
        let file = try File(opening: fixture("h5py.h5"))
        for path in ["types", "types/f4", "/types/f4", "alias", "/"] {
            #expect(file.root.contains(path) == true)
        }
        for path in ["nowhere", "nowhere/deeper", "labels/deeper", "lost"] {
            #expect(file.root.contains(path) == false)
        }
        let types = try file.root.group("types")
        #expect(types.contains("f4") == true)
        #expect(types.contains("/labels") == true)
        #expect(types.contains("labels") == false)
    }

    // MARK: Errors

    @Test func missingObjectsAreNamed() throws {
        let path = fixture("h5py.h5")
        let file = try File(opening: path)
        let dataset = #expect(throws: HDF5Error.self) { _ = try file.root.dataset("labls") }
        #expect(dataset?.description == "HDF5 open dataset /labls in \(path): object 'labls' doesn't exist")
        let group = #expect(throws: HDF5Error.self) { _ = try file.root.group("types/f5") }
        #expect(group?.description == "HDF5 open group /types/f5 in \(path): object 'f5' doesn't exist")
        #expect(throws: HDF5Error.self) { _ = try file.root.dataset("types") }
        #expect(throws: HDF5Error.self) { _ = try file.root.group("labels") }
    }

    @Test func namesAreUnique() throws {
        try withScratchFile { path in
            let file = try File(creating: path)
            try file.root.write([1] as [Float], as: "a")
            let dataset = #expect(throws: HDF5Error.self) { try file.root.write([1] as [Float], as: "a") }
            #expect(dataset?.description == "HDF5 create dataset /a in \(path): name already exists")
            let group = #expect(throws: HDF5Error.self) { _ = try file.root.createGroup("a") }
            #expect(group?.description == "HDF5 create group /a in \(path): name already exists")
        }
    }
}
