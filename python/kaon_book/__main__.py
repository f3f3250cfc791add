from kaon_book.cli import main

raise SystemExit(main())
