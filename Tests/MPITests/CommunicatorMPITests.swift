import MPI
import TestSupport
import Testing

/// Every test is collective: all ranks run the same test at a time. The tests are valid for any number of ranks.
@Suite(.serialized) struct CommunicatorMPITests {
    var rank: Int { world.rank }
    var size: Int { world.size }
    var ranks: Range<Int> { 0..<world.size }

    // MARK: The environment

    @Test func startsOnce() throws {
        let level = try MPIEnvironment.initialize()
        #expect(try MPIEnvironment.initialize() == level)
        #expect(level == MPIEnvironment.threadLevel)
        #expect(level == .multiple)
        #expect(MPIEnvironment.ThreadLevel.serialized < .multiple)
        #expect(MPIEnvironment.isInitialized)
        _ = world
    }

    @Test func describesItself() {
        _ = world
        #expect(MPIEnvironment.libraryVersion.wholeMatch(of: /Open MPI \d+\.\d+\.\d+\S*/) != nil)
        #expect(!MPIEnvironment.processorName.isEmpty)
    }

    @Test func numbersTheRanks() throws {
        #expect(ranks.contains(rank))
        #expect(try world.allGather([rank]) == ranks.map { [$0] })
        #expect(Communicator.selfOnly.size == 1)
        #expect(Communicator.selfOnly.rank == 0)
    }

    // MARK: Reductions

    @Test func reducesEveryType() throws {
        func check<T: MPIScalar & Numeric & Comparable>(_: T.Type) throws {
            let mine = T(exactly: rank + 1)!
            let all = ranks.map { T(exactly: $0 + 1)! }
            #expect(try world.allReduce(mine) == all.reduce(0, +))
            #expect(try world.allReduce(mine, .maximum) == all.max())
            #expect(try world.allReduce(mine, .minimum) == all.min())
        }
        try check(Float.self)
        try check(Double.self)
        try check(Int32.self)
        try check(Int64.self)
        try check(Int.self)
        try check(UInt8.self)
        try check(UInt32.self)
        try check(UInt64.self)
    }

    @Test func reducesIntegersBeyond32Bits() throws {
        #expect(try world.allReduce(1 << 40) == size << 40)
        #expect(try world.allReduce(UInt64.max, .maximum) == .max)
    }

    @Test func reducesElementByElement() throws {
        var values = (0..<1000).map { Float($0 * (rank + 1)) }
        try values.withUnsafeMutableBufferPointer { try world.allReduce($0) }
        let factor = ranks.reduce(0) { $0 + $1 + 1 }
        #expect(values == (0..<1000).map { Float($0 * factor) })
        #expect(try world.allReduce([] as [Float]) == [])
    }

    @Test(arguments: [1, 7, 99, 100, 101]) func cutsLongMessagesIntoPieces(pieceLength: Int) throws {
        let pieces = try world.duplicate(pieceLength: pieceLength)
        let values = (0..<100).map { Double($0 + rank) }
        let sums = (0..<100).map { element in Double(ranks.reduce(0) { $0 + element + $1 }) }
        #expect(try pieces.allReduce(values) == sums)
        #expect(try pieces.broadcast(values, from: size - 1) == (0..<100).map { Double($0 + size - 1) })
    }

    // MARK: Broadcast and gathering

    @Test func broadcastsFromAnyRank() throws {
        for root in ranks {
            var values = [Int32](repeating: Int32(rank), count: 5)
            try values.withUnsafeMutableBufferPointer { try world.broadcast($0, from: root) }
            #expect(values == [Int32](repeating: Int32(root), count: 5))
        }
    }

    @Test func broadcastsValuesOfTheRoot() throws {
        for root in ranks {
            let values: [Double] = rank == root ? [1, 2, .pi] : []
            #expect(try world.broadcast(values, from: root) == [1, 2, .pi])
            #expect(try world.broadcast(rank == root ? "Σ √s = 13 TeV" : "?", from: root) == "Σ √s = 13 TeV")
        }
        #expect(try world.broadcast(rank == 0 ? "" : "something") == "")
    }

    @Test func gathersUnevenParts() throws {
        // Rank r has r values, so that rank 0 has none.
        let mine = (0..<rank).map { UInt64(10 * rank + $0) }
        let expected = ranks.map { rank in (0..<rank).map { UInt64(10 * rank + $0) } }
        #expect(try world.allGather(mine) == expected)
        for root in ranks {
            #expect(try world.gather(mine, to: root) == (rank == root ? expected : nil))
        }
        #expect(try world.allGather("rank \(rank)") == ranks.map { "rank \($0)" })
    }

    // MARK: Parts

    @Test func splitsByColorAndOrdersByKey() throws {
        let part = try world.split(color: rank % 2, key: -rank)
        let members = ranks.filter { $0 % 2 == rank % 2 }.reversed()
        #expect(part.size == members.count)
        #expect(try part.allGather([rank]) == members.map { [$0] })
    }

    @Test func duplicatesKeepRankAndAreFreed() throws {
        // More than the library could hold if none were freed.
        for _ in 0..<100 {
            let copy = try world.duplicate()
            #expect(copy.rank == rank && copy.size == size)
        }
        try world.barrier()
    }

    @Test func threadsUseSeparateCommunicators() async throws {
        let copies = try (0..<4).map { _ in try world.duplicate() }
        let sums = try await withThrowingTaskGroup(of: Int.self) { group in
            for (index, copy) in copies.enumerated() {
                group.addTask {
                    try (0..<50).reduce(0) { sum, step in sum + (try copy.allReduce(index * step)) }
                }
            }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(sums == Set((0..<4).map { $0 * 1225 * size }))
    }

    // MARK: Errors

    @Test func failuresAreThrown() throws {
        let error = #expect(throws: MPIError.self) { try world.broadcast([1.0], from: size) }
        #expect(error?.description.hasPrefix("MPI_Bcast failed: MPI_ERR_ROOT") == true)
        // Communication still works.
        #expect(try world.allReduce(1) == size)
    }
}
